package transport_test

import (
	"context"
	"fmt"

	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// Every service dials through a view of its own, and who may call what follows from that.
func ExampleSwitch_As() {
	sw := &transport.Switch{Local: &inproc.Network{}}
	get.Serve(sw, func(ctx context.Context, _ *note) (*note, error) {
		return &note{"for " + transport.Metadata(ctx, transport.Caller)}, nil
	})

	asDesk := sw.As("desk")
	found := get.Dial(asDesk)
	desk.Serve(sw, found) // this desk adds nothing to what it finds

	_ = desk.Dial(sw.As("website")) // not part of this program; it has a token
	for caller, op := range sw.Edges() {
		fmt.Println(caller, "->", op)
	}

	got, err := desk.Dial(sw)(context.Background(), &note{"7"})
	fmt.Println(got.Text, err)
	_, err = get.Dial(around{sw.As("website")})(context.Background(), &note{}) // without the Switch being told
	fmt.Println(err)
	// Output:
	// desk -> store.get
	// website -> desk.answer
	// for desk <nil>
	// store.get: store: permission_denied: website may not call store.get: nothing here was composed that dials it as website
}

type around struct{ transport.Client }
