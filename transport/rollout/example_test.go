package rollout_test

import (
	"context"
	"fmt"
	"time"

	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
	"github.com/dovetail-go/dovetail/transport/rollout"
)

// Calls of one user go one way.
func ExampleSplit() {
	split := &rollout.Split{Old: (&desk{name: "old"}).client(), New: (&desk{name: "new"}).client(), Key: byUser}
	call := ask.Dial(split)
	for _, percent := range []float64{0, 50, 100} {
		split.Set(percent)
		for _, user := range []string{"ann", "bob", "cleo"} {
			a, err := call(context.Background(), &question{User: user})
			fmt.Println(percent, user, a.Text, err)
		}
	}
	// Output:
	// 0 ann old <nil>
	// 0 bob old <nil>
	// 0 cleo old <nil>
	// 50 ann new <nil>
	// 50 bob old <nil>
	// 50 cleo new <nil>
	// 100 ann new <nil>
	// 100 bob new <nil>
	// 100 cleo new <nil>
}

// The answers of a new version are compared with those that callers get.
func ExampleMirror() {
	compared := make(chan string, 1)
	mirror := &rollout.Mirror{
		Client: (&desk{name: "old"}).client(), Shadow: (&desk{name: "new"}).client(),
		Differ: func(_ string, client, shadow rollout.Answer) string {
			if client.Err == nil && shadow.Err == nil && client.Value.(*answer).Text != shadow.Value.(*answer).Text {
				return "another text"
			}
			return ""
		},
		Report: func(c rollout.Comparison) { compared <- c.Op + ": " + c.Differs },
	}
	defer mirror.Close()
	a, err := ask.Dial(mirror)(context.Background(), &question{})
	fmt.Println(a.Text, err)
	fmt.Println(<-compared)
	// Output:
	// old <nil>
	// desk.ask: another text
}

// The new place breaks down, so the service stays where it was.
func ExampleRollout() {
	sw := &transport.Switch{Local: &inproc.Network{}, Remotes: []transport.Remote{places{"place:new": failing("new", 1, 0).client()}}}
	ask.Serve(sw, (&desk{name: "here"}).ask)

	ctx, cancel := context.WithCancel(context.Background())
	_, ended := traffic(ctx, sw)
	r := &rollout.Rollout{Switch: sw, Service: "desk", To: "place:new", Steps: []float64{50}, Hold: 100 * time.Millisecond}
	err := r.Run(ctx)
	fmt.Println(err != nil, sw.Where("desk"))
	cancel()
	ended.Wait()
	// Output:
	// true inproc
}
