package transporttest_test

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/transporttest"
)

// A difference is something that programs may see of where a service lives. It is a list of all that is allowed: what is not here, nor
// in the lists of Except of this package, is the same everywhere. How long things take differs as well, and is measured by benchmarks.
type difference struct {
	name string
	see  func(t *testing.T, network transport.Network) string
	want map[string]string // by mode; "" for those that are not named
}

var (
	plain  = transport.Op[*parcel, *parcel]{Name: "differ.plain"}
	lent   = transport.Op[*parcel, *parcel]{Name: "differ.lent", Shared: true}
	narrow = transport.Op[*parcel, *parcel]{Name: "differ.narrow", MaxBytes: 100}
	safe   = transport.Op[*parcel, *parcel]{Name: "differ.safe", Idempotency: transport.Safe}
	row    = transport.Op[*parcel, *genai.Stream[parcel]]{Name: "differ.row"}
)

type parcel struct {
	Text string     `json:"text"`
	Blob genai.Blob `json:"blob,omitzero"`
}

const (
	copying, strict, shared = "inproc", "inproc_strict", "inproc_shared"
)

func differences() []difference {
	return []difference{
		{"a message that is shared is the caller's own", func(t *testing.T, network transport.Network) string {
			sent := &parcel{}
			var got *parcel
			back := round(t, network, lent, sent, func(_ context.Context, req *parcel) (*parcel, error) { got = req; return req, nil })
			return fmt.Sprint(got == sent, back == sent)
		}, map[string]string{copying: "true true", shared: "true true", "": "false false"}},

		{"the bytes of a blob are the caller's own", func(t *testing.T, network transport.Network) string {
			sent := []byte("pixels")
			back := round(t, network, plain, &parcel{Blob: genai.NewBlob("image/raw", sent)}, same).Blob.Bytes()
			return fmt.Sprint(&sent[0] == &back[0])
		}, map[string]string{copying: "true", strict: "true", shared: "true", "": "false"}},

		{"who calls has a name only where somebody asks", func(t *testing.T, network transport.Network) string {
			return round(t, network, plain, &parcel{}, func(ctx context.Context, _ *parcel) (*parcel, error) {
				return &parcel{Text: transport.Metadata(ctx, transport.Caller)}, nil
			}).Text
		}, map[string]string{"https": "test.internal"}},

		{"what is shared may have any size", func(t *testing.T, network transport.Network) string {
			narrow.Serve(network, same)
			_, err := narrow.Dial(network)(t.Context(), &parcel{Text: strings.Repeat("x", 200)})
			return string(genai.KindOf(err))
		}, map[string]string{shared: "", "": string(genai.TooLarge)}},

		{"what is not encoded is counted without what stands between", func(t *testing.T, network transport.Network) string {
			narrow.Serve(network, same)
			_, err := narrow.Dial(network)(t.Context(), &parcel{Text: strings.Repeat("x", 95)}) // {"text":"..."} makes it 106
			return string(genai.KindOf(err))
		}, map[string]string{copying: "", shared: "", "": string(genai.TooLarge)}},

		{"what is safe runs twice where it is put to the test", func(t *testing.T, network transport.Network) string {
			var mu sync.Mutex
			runs := 0
			round(t, network, safe, &parcel{}, func(_ context.Context, req *parcel) (*parcel, error) {
				mu.Lock()
				defer mu.Unlock()
				runs++
				return req, nil
			})
			mu.Lock()
			defer mu.Unlock()
			return fmt.Sprint(runs)
		}, map[string]string{strict: "2", "": "1"}},

		{"a handler runs in the goroutine of its caller", func(t *testing.T, network transport.Network) string {
			return round(t, network, plain, &parcel{}, func(context.Context, *parcel) (*parcel, error) {
				return &parcel{Text: whose(string(debug.Stack()))}, nil
			}).Text
		}, map[string]string{shared: "the caller's", "": "its own"}},

		{"a producer runs in the goroutine of its reader", func(t *testing.T, network transport.Network) string {
			row.Serve(network, func(ctx context.Context, _ *parcel) (*genai.Stream[parcel], error) {
				return genai.NewStream(ctx, func() (parcel, error) { return parcel{Text: whose(string(debug.Stack()))}, nil }, nil)
			})
			s, err := row.Dial(network)(t.Context(), &parcel{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.Next(); err != nil { // the first is there before the response is
				t.Fatal(err)
			}
			second, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			return second.Text
		}, map[string]string{copying: "the caller's", strict: "the caller's", shared: "the caller's", "": "its own"}},

		{"the stack of a panic shows what it ran in", func(t *testing.T, network transport.Network) string {
			logged := make(chan string, 10)
			before := slog.Default()
			slog.SetDefault(slog.New(stacks{slog.DiscardHandler, logged}))
			defer slog.SetDefault(before)
			plain.Serve(network, func(context.Context, *parcel) (*parcel, error) { panic("on purpose") })
			if _, err := plain.Dial(network)(t.Context(), &parcel{}); genai.KindOf(err) != genai.Internal {
				t.Fatalf("got %v", err)
			}
			stack := <-logged
			for _, in := range []string{"transport/httptransport.", "transport/inproc."} {
				if strings.Contains(stack, in) {
					return in
				}
			}
			return stack
		}, map[string]string{copying: "transport/inproc.", strict: "transport/inproc.", shared: "transport/inproc.", "": "transport/httptransport."}},

		{"what a call allocates", func(t *testing.T, network transport.Network) string {
			lent.Serve(network, same)
			call, req := lent.Dial(network), &parcel{}
			few := testing.AllocsPerRun(100, func() { _, _ = call(t.Context(), req) }) < 8
			return fmt.Sprint("few: ", few)
		}, map[string]string{copying: "few: true", shared: "few: true", "": "few: false"}},
	}
}

func same(_ context.Context, req *parcel) (*parcel, error) { return req, nil }

// round serves an operation, calls it and returns what comes back.
func round(t *testing.T, network transport.Network, op transport.Op[*parcel, *parcel], req *parcel, h genai.Handler[*parcel, *parcel]) *parcel {
	t.Helper()
	op.Serve(network, h)
	back, err := op.Dial(network)(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// whose says from a stack whether the goroutine is that of the test.
func whose(stack string) string {
	if strings.Contains(stack, "testing.tRunner") {
		return "the caller's"
	}
	return "its own"
}

// stacks hears what is logged about panics.
type stacks struct {
	slog.Handler
	to chan string
}

func (stacks) Enabled(context.Context, slog.Level) bool { return true }

func (s stacks) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "stack" {
			s.to <- a.Value.String()
		}
		return true
	})
	return nil
}

// TestMayDiffer: each difference is what it is said to be, in every mode.
func TestMayDiffer(t *testing.T) {
	for _, d := range differences() {
		t.Run(d.name, func(t *testing.T) {
			see := func(t *testing.T, network transport.Network) {
				want, ok := d.want[path.Base(t.Name())]
				if !ok {
					want = d.want[""]
				}
				if got := d.see(t, network); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			transporttest.Modes(t, see)
			t.Run("inproc shared", func(t *testing.T) { see(t, &sharing{}) })
		})
	}
}
