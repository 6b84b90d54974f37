package transport_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// The contract, which both sides import.
var Moderate = transport.Op[*genai.ModerationRequest, *genai.Verdict]{Name: "moderation.check"}

func moderator(_ context.Context, req *genai.ModerationRequest) (*genai.Verdict, error) {
	if req.Text == "" {
		return nil, &genai.Error{Kind: genai.InvalidRequest, Field: "text", Message: "there is nothing to check"}
	}
	return &genai.Verdict{Flagged: strings.Contains(req.Text, "password")}, nil
}

// A handler is served on one side of a network and called on the other.
func Example() {
	network := &inproc.Network{} // or a server and a client of package httptransport
	Moderate.Serve(network, moderator)

	var check genai.Moderator = Moderate.Dial(network)
	verdict, err := check(context.Background(), &genai.ModerationRequest{Text: "What is your password?"})
	fmt.Println(verdict.Flagged, err)

	_, err = check(context.Background(), &genai.ModerationRequest{})
	fmt.Println(errors.Is(err, genai.InvalidRequest), err)
	// Output:
	// true <nil>
	// true moderation.check: moderation: invalid_request (text): there is nothing to check
}

// A response that streams is declared by its type.
func ExampleOp_stream() {
	type topic struct {
		Name string `json:"name"`
	}
	type line struct {
		Text string `json:"text"`
	}
	poem := transport.Op[*topic, *genai.Stream[line]]{Name: "poet.write"}
	network := &inproc.Network{}
	poem.Serve(network, func(ctx context.Context, about *topic) (*genai.Stream[line], error) {
		return genai.Open(ctx, func(_ context.Context, yield func(line) bool) error {
			if !yield(line{"O " + about.Name + ","}) {
				return nil // nobody listens any more
			}
			return genai.Errorf(genai.Overloaded, "words fail me")
		})
	})

	lines, err := poem.Dial(network)(context.Background(), &topic{"oak"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for line, err := range lines.All() {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(line.Text)
	}
	// Output:
	// O oak,
	// poet.write: poet: overloaded: words fail me
}

// The same program is one process, or several. newProgram is what its main function would do with the flags that it was
// started with.
func ExampleSwitch() {
	newProgram := func(placement transport.Placement) *transport.Switch {
		sw := &transport.Switch{
			Placement: placement,
			Local:     &inproc.Network{},
			Remotes:   []transport.Remote{&httptransport.Remote{}},
		}
		if sw.Hosts("moderation") {
			Moderate.Serve(sw, moderator)
		}
		return sw
	}
	check := func(sw *transport.Switch) {
		verdict, err := Moderate.Dial(sw)(context.Background(), &genai.ModerationRequest{Text: "What is your password?"})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(verdict.Flagged)
	}

	// No flags: everything is in this process.
	check(newProgram(transport.Placement{}))

	// -serve moderation -listen 127.0.0.1:0
	service := newProgram(transport.Placement{Serve: []string{"moderation"}, Listen: "127.0.0.1:0"})
	at := make(chan string, 1)
	service.Listening = func(address string) { at <- address }
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }() // waited for below

	// -at moderation=http://127.0.0.1:8081
	check(newProgram(transport.Placement{At: map[string]string{"moderation": <-at}}))

	stop()
	fmt.Println(<-ended)
	// Output:
	// true
	// true
	// <nil>
}

// A placement comes from flags, the environment and a file. What is wrong in it is an error that says where.
func ExamplePlacementFlags() {
	environment := map[string]string{"DOVETAIL_LISTEN": "127.0.0.1:8080"}
	getenv := func(name string) string { return environment[name] } // os.Getenv in a program
	for _, args := range [][]string{
		{},
		{"-serve", "desk", "-at", "moderation=http://127.0.0.1:8081"},
		{"-serve", "dsek"},
	} {
		flags := flag.NewFlagSet("supportdesk", flag.ContinueOnError)
		placement := transport.PlacementFlags(flags, getenv, "desk", "moderation")
		if err := flags.Parse(args); err != nil {
			fmt.Println(err)
			return
		}
		p, err := placement()
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("%v %v %q %q\n", p.Hosts("desk"), p.Hosts("moderation"), p.Listen, p.At["moderation"])
	}
	// Output:
	// true true "127.0.0.1:8080" ""
	// true false "127.0.0.1:8080" "http://127.0.0.1:8081"
	// invalid_request (-serve): there is no service "dsek"; there are desk, moderation
}

// Metadata goes with a call and with all that it leads to; a Reply comes back from it.
func ExampleWithMetadata() {
	network := &inproc.Network{}
	Moderate.Serve(network, func(ctx context.Context, _ *genai.ModerationRequest) (*genai.Verdict, error) {
		fmt.Println("checked for", transport.Metadata(ctx, "tenant"))
		return &genai.Verdict{}, transport.ReplyOf(ctx).Set("cost", "12")
	})

	ctx, reply := transport.WithReply(transport.WithMetadata(context.Background(), "tenant", "acme"))
	_, err := Moderate.Dial(network)(ctx, &genai.ModerationRequest{Text: "hello"})
	fmt.Println("it cost", reply.Get("cost"), err)
	// Output:
	// checked for acme
	// it cost 12 <nil>
}
