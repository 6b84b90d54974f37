package transport_test

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// Moderate is a contract. It stands in a package that both sides import.
var Moderate = transport.Op[*genai.ModerationRequest, *genai.Verdict]{Name: "moderation.check"}

func check(_ context.Context, req *genai.ModerationRequest) (*genai.Verdict, error) {
	return &genai.Verdict{Flagged: req.Text == "idiot", Reason: "please ask kindly"}, nil
}

// One side serves the operation, the other dials it, and gets the same function.
func Example() {
	network := &inproc.Network{}
	Moderate.Serve(network, check)
	moderate := Moderate.Dial(network)

	verdict, err := moderate(context.Background(), &genai.ModerationRequest{Text: "idiot"})
	fmt.Println(verdict.Reason, err)
	// Output: please ask kindly <nil>
}

// The same program runs as one process or as several, as its flags say.
func ExampleSwitch() {
	flags := flag.NewFlagSet("desk", flag.ExitOnError)
	placed := transport.PlacementFlags(flags, os.Getenv, "desk", "moderation")
	_ = flags.Parse(nil) // os.Args[1:]; with -at moderation=http://127.0.0.1:8081 it is elsewhere
	placement, err := placed()
	if err != nil {
		fmt.Println(err)
		return
	}
	sw := &transport.Switch{
		Placement: placement,
		Local:     &inproc.Network{},
		Remotes:   []transport.Remote{&httptransport.Remote{}},
	}
	if sw.Hosts("moderation") {
		Moderate.Serve(sw, check)
	}
	moderate := Moderate.Dial(sw) // wherever it is

	verdict, err := moderate(context.Background(), &genai.ModerationRequest{Text: "Where is my parcel?"})
	fmt.Println(verdict.Flagged, err)
	// Output: false <nil>
}

// A wrong placement is an error that names the flag.
func ExamplePlacementFlags() {
	flags := flag.NewFlagSet("desk", flag.ContinueOnError)
	placed := transport.PlacementFlags(flags, func(string) string { return "" }, "desk", "moderation")
	_ = flags.Parse([]string{"-at", "moderator=http://127.0.0.1:8081"})

	_, err := placed()
	fmt.Println(err)
	// Output: invalid_request (-at): there is no service "moderator"; there are desk, moderation
}

// Metadata goes on with every call made under the context, over any number of services.
func ExampleWithMetadata() {
	network := &inproc.Network{}
	Moderate.Serve(network, func(ctx context.Context, _ *genai.ModerationRequest) (*genai.Verdict, error) {
		fmt.Println("for", transport.Metadata(ctx, "tenant"))
		return &genai.Verdict{}, nil
	})
	ctx := transport.WithMetadata(context.Background(), "tenant", "acme")
	_, _ = Moderate.Dial(network)(ctx, &genai.ModerationRequest{})
	// Output: for acme
}

// A handler tells its caller something beside the response.
func ExampleWithReply() {
	network := &inproc.Network{}
	Moderate.Serve(network, func(ctx context.Context, _ *genai.ModerationRequest) (*genai.Verdict, error) {
		return &genai.Verdict{}, transport.ReplyOf(ctx).Set("rules", "2026-11")
	})
	ctx, reply := transport.WithReply(context.Background())
	_, _ = Moderate.Dial(network)(ctx, &genai.ModerationRequest{})
	fmt.Println(reply.Get("rules"))
	// Output: 2026-11
}
