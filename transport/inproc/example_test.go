package inproc_test

import (
	"context"
	"fmt"

	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

type draft struct {
	Text  string `json:"text"`
	Owner string `json:"-"` // does not travel
}

// shorten changes the draft that it is given, which is its own.
func shorten(_ context.Context, d *draft) (*draft, error) {
	d.Text = d.Text[:5]
	return d, nil
}

// What the handler does to its request, the caller does not see: as if there were a wire between them.
func Example() {
	op := transport.Op[*draft, *draft]{Name: "editor.shorten"}
	network := &inproc.Network{}
	op.Serve(network, shorten)

	mine := &draft{Text: "Hello, world", Owner: "me"}
	theirs, err := op.Dial(network)(context.Background(), mine)
	fmt.Printf("%+v %+v %v\n", *mine, *theirs, err)
	// Output: {Text:Hello, world Owner:me} {Text:Hello Owner:} <nil>
}
