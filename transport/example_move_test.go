package transport_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// A service leaves the process while the program runs, and comes back.
func ExampleSwitch_Move() {
	server := &httptransport.Server{} // in another process, as a rule
	Moderate.Serve(server, func(context.Context, *genai.ModerationRequest) (*genai.Verdict, error) {
		return &genai.Verdict{Reason: "answered elsewhere"}, nil
	})
	other := httptest.NewServer(server)
	defer other.Close()

	sw := &transport.Switch{Local: &inproc.Network{}, Remotes: []transport.Remote{&httptransport.Remote{}}}
	Moderate.Serve(sw, func(context.Context, *genai.ModerationRequest) (*genai.Verdict, error) {
		return &genai.Verdict{Reason: "answered here"}, nil
	})
	moderate := Moderate.Dial(sw)

	for _, to := range []string{transport.Here, other.URL, transport.Here} {
		if err := sw.Move("moderation", to); err != nil {
			fmt.Println(err)
			return
		}
		verdict, err := moderate(context.Background(), &genai.ModerationRequest{Text: "Where is my parcel?"})
		fmt.Println(verdict.Reason, err)
	}
	// Output:
	// answered here <nil>
	// answered elsewhere <nil>
	// answered here <nil>
}

// Order is a contract whose calls are made once for each key.
var Order = transport.Op[*genai.ModerationRequest, *genai.Verdict]{Name: "shop.order", Idempotency: transport.Keyed}

// Whoever repeats a call under its key gets what came of the first.
func ExampleWithMetadata_key() {
	network := &inproc.Network{}
	bills := 0
	Order.Serve(network, func(context.Context, *genai.ModerationRequest) (*genai.Verdict, error) {
		bills++
		return &genai.Verdict{Reason: fmt.Sprint("bill number ", bills)}, nil
	})
	order := Order.Dial(network)
	for _, number := range []string{"order-1", "order-1", "order-2"} {
		ctx := transport.WithMetadata(context.Background(), transport.Key, number)
		verdict, err := order(ctx, &genai.ModerationRequest{Text: "a chair"})
		fmt.Println(number, verdict.Reason, err)
	}
	// Output:
	// order-1 bill number 1 <nil>
	// order-1 bill number 1 <nil>
	// order-2 bill number 2 <nil>
}
