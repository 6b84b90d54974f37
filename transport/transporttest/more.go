package transporttest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// registration are the promises about what is served, before anybody calls.
func registration() []promise {
	return []promise{
		{"V8", "what cannot travel is refused before it is served", []variant{
			{"a channel", func(e *env) { refusedType[struct{ Deep []struct{ C chan int } }](e, "Deep[].C") }},
			{"a function", func(e *env) { refusedType[struct{ F func() }](e, "F") }},
			{"a field that is not exported", func(e *env) { refusedType[struct{ hidden int }](e, "hidden") }},
		}},
		{"V10", "the fingerprint of a contract is the same each time", []variant{{"each", fingerprints}}},
		{"V12", "what may be shared arrives all the same", []variant{{"value", sharedValue}, {"stream", sharedStream}}},
	}
}

func refusedType[T any](e *env, path string) { refusedRequest[*T](e, path) }

func refusedRequest[Req any](e *env, path string) {
	op := transport.Op[Req, *note]{Name: "suite.odd"}
	e.link(func(s transport.Server) {
		defer func() {
			if said := fmt.Sprint(recover()); !strings.Contains(said, path) || !strings.Contains(said, op.Name) {
				e.Errorf("the operation is served, or the refusal does not name %q: %s", path, said)
			}
		}()
		op.Serve(s, func(context.Context, Req) (*note, error) { return &note{}, nil })
	})
}

// A collector is a server that keeps what it is told.
type collector struct{ prints []string }

func (c *collector) Handle(spec *transport.Spec, _ genai.AnyHandler) {
	c.prints = append(c.prints, spec.Fingerprint())
}

func fingerprints(e *env) {
	type odd struct {
		ByName map[string]map[string]int `json:"by_name"`
		Note   *note                     `json:"note"`
		Blob   genai.Blob                `json:"blob"`
	}
	first, second := transport.Op[*odd, *note]{Name: "suite.first"}, transport.Op[*note, *genai.Stream[odd]]{Name: "suite.second"}
	one := func(s transport.Server) {
		first.Serve(s, func(context.Context, *odd) (*note, error) { return &note{}, nil })
	}
	two := func(s transport.Server) {
		second.Serve(s, func(ctx context.Context, _ *note) (*genai.Stream[odd], error) { return once[odd](ctx) })
	}
	want := &collector{}
	one(want)
	two(want)
	for range 20 {
		got := &collector{}
		two(got)
		one(got)
		if slices.Reverse(got.prints); !slices.Equal(got.prints, want.prints) {
			e.Fatalf("the fingerprints are %q and %q", want.prints, got.prints)
		}
	}
	link := e.link(func(s transport.Server) { two(s); one(s) })
	must[*note](e)(first.Dial(link.Client)(e.Context(), &odd{ByName: map[string]map[string]int{"a": {"b": 1}}}))
}

func sharedValue(e *env) {
	op := transport.Op[*note, *note]{Name: "suite.share", Shared: true}
	call := place(e, op, func(_ context.Context, req *note) (*note, error) { return &note{req.Text + "!"}, nil })
	if got := must[*note](e)(call(e.Context(), &note{"a"})); got.Text != "a!" {
		e.Errorf("got %+v", got)
	}
}

func sharedStream(e *env) {
	op := transport.Op[*note, notes]{Name: "suite.share", Shared: true}
	e.read(must[notes](e)(place(e, op, func(ctx context.Context, _ *note) (notes, error) { return once(ctx, note{"a"}, note{"b"}) })(e.Context(), &note{})), 2)
}

// tracing: W3C trace context and baggage have their own headers, where there are any, and must come out as they went in.
func tracing(e *env) {
	pairs := map[string]string{
		"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"tracestate":  "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
		"baggage":     "userId=alice,serverNode=DF%2028,isProduction=false,more=",
	}
	pairs["baggage"] += strings.Repeat("x", 8192-len(pairs["baggage"])) // as much as there may be
	link := e.link(func(s transport.Server) {
		ask.Serve(s, func(ctx context.Context, req *note) (*note, error) { e.carries(ctx, pairs); return req, nil })
		tell.Serve(s, func(ctx context.Context, req *note) (notes, error) { e.carries(ctx, pairs); return once(ctx, *req) })
	})
	must[*note](e)(ask.Dial(link.Client)(with(e.Context(), maps.Clone(pairs)), &note{}))
	e.read(must[notes](e)(tell.Dial(link.Client)(with(e.Context(), maps.Clone(pairs)), &note{})), 1)
}

// notTheTransports: an error of a handler that says just what a transport would say is still known to be the handler's.
func notTheTransports(e *env) {
	own := &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo, Message: "the model cannot be reached"}
	link := e.link(func(s transport.Server) {
		ask.Serve(s, func(context.Context, *note) (*note, error) { return nil, own })
	})
	_, err := ask.Dial(link.Client)(e.Context(), &note{})
	e.failed(err, genai.Unavailable)
	if !genai.AsError(err).Remote {
		e.Errorf("the handler's error is taken for the transport's: %+v", err)
	}
	if link.Stop == nil {
		return
	}
	await(e, e.draining(link), "the server ends")
	_, err = ask.Dial(link.Client)(e.Context(), &note{})
	e.refused(err, genai.Unavailable, "")
	if genai.AsError(err).Remote {
		e.Errorf("the transport's error is taken for the handler's: %+v", err)
	}
}

func wrapped(e *env, err error, want genai.Kind) {
	call := place(e, ask, func(context.Context, *note) (*note, error) { return nil, err })
	_, got := call(e.Context(), &note{})
	e.failed(got, want)
	if !strings.Contains(got.Error(), "the first") {
		e.Errorf("the error lost its words: %v", got)
	}
}

var errFirst, errSecond = genai.Errorf(genai.RateLimited, "the first"), genai.Errorf(genai.NotFound, "the second")

func wrappings() []variant {
	return []variant{
		{"wrapped", func(e *env) { wrapped(e, fmt.Errorf("while asking: %w", errFirst), genai.RateLimited) }},
		{"joined", func(e *env) { wrapped(e, errors.Join(errFirst, errSecond), genai.RateLimited) }},
		{"wrapped twice", func(e *env) { wrapped(e, fmt.Errorf("so %w and %w", errFirst, errSecond), genai.RateLimited) }},
	}
}

// waitsForReader: no more pieces are made than were asked for.
func waitsForReader(e *env) {
	const ahead, pieces = 4, 200
	var made atomic.Int32
	op := transport.Op[*note, notes]{Name: "suite.dear", Ahead: ahead}
	call := place(e, op, func(ctx context.Context, _ *note) (notes, error) {
		return genai.NewStream(ctx, func() (note, error) {
			if made.Add(1) > pieces {
				return note{}, io.EOF
			}
			return note{}, nil
		}, nil)
	})
	s := must[notes](e)(call(e.Context(), &note{}))
	defer s.Close()
	for taken := range pieces {
		if n := int(made.Load()); n > taken+ahead+1 { // one is held back by the stream, to see whether it is an error
			e.Fatalf("%d pieces were made when %d had been taken", n, taken)
		}
		must[note](e)(s.Next())
	}
	if _, err := s.Next(); err != io.EOF {
		e.Errorf("the stream ended with %v", err)
	}
}

// onlyThatStream: a piece that is too large ends its stream, and nothing else.
func onlyThatStream(e *env) {
	link := e.link(func(s transport.Server) {
		smallTell.Serve(s, func(ctx context.Context, req *note) (notes, error) {
			return once(ctx, note{"a"}, note{strings.Repeat("x", len(req.Text)*1001)}, note{"c"})
		})
	})
	call := smallTell.Dial(link.Client)
	other := must[notes](e)(call(e.Context(), &note{}))
	must[note](e)(other.Next())
	s := must[notes](e)(call(e.Context(), &note{"x"}))
	defer s.Close()
	must[note](e)(s.Next())
	_, err := s.Next()
	e.failed(err, genai.TooLarge)
	e.read(other, 2)
	e.read(must[notes](e)(call(e.Context(), &note{})), 3)
}

// besideOneThatStalls: many streams are read to their ends while nobody reads one whose pieces are large and many.
func besideOneThatStalls(e *env) {
	link := e.link(func(s transport.Server) {
		tell.Serve(s, func(ctx context.Context, req *note) (notes, error) {
			if req.Text == "" {
				return once(ctx, note{"a"}, note{"b"}, note{"c"})
			}
			return genai.NewStream(ctx, func() (note, error) { return note{req.Text}, nil }, nil)
		})
	})
	call := tell.Dial(link.Client)
	stalled := must[notes](e)(call(e.Context(), &note{strings.Repeat("x", 64<<10)}))
	defer stalled.Close()
	must[note](e)(stalled.Next())
	var results []<-chan outcome[int]
	for range 500 / min(slowdown, 5) {
		results = append(results, async(func() (int, error) {
			s, err := call(e.Context(), &note{})
			if err != nil {
				return 0, err
			}
			defer s.Close()
			for n := 0; ; n++ {
				if _, err := s.Next(); err == io.EOF {
					return n, nil
				} else if err != nil {
					return n, err
				}
			}
		}))
	}
	for _, c := range results {
		if r := await(e, c, "a stream is read beside one that stalls"); r.err != nil || r.value != 3 {
			e.Errorf("a stream beside one that stalls had %d pieces, and ended with %v", r.value, r.err)
		}
	}
	must[note](e)(stalled.Next())
}

type picture struct {
	Blob genai.Blob `json:"blob"`
}

// exact: what is large arrives bit by bit as it was sent, both ways.
func exact(e *env, size int, fill func([]byte)) {
	op := transport.Op[*picture, *picture]{Name: "suite.picture", MaxBytes: 65 << 20}
	data := make([]byte, size)
	fill(data)
	want := sha256.Sum256(data)
	call := place(e, op, func(_ context.Context, req *picture) (*picture, error) {
		if got := sha256.Sum256(req.Blob.Bytes()); got != want {
			return nil, genai.Errorf(genai.InvalidRequest, "%d bytes arrived, and not as they were sent", req.Blob.Len())
		}
		return &picture{genai.NewBlob("image/raw", slices.Clone(req.Blob.Bytes()))}, nil
	})
	got := must[*picture](e)(call(e.Context(), &picture{genai.NewBlob("image/raw", data)}))
	if sum := sha256.Sum256(got.Blob.Bytes()); sum != want || got.Blob.MediaType() != "image/raw" {
		e.Errorf("%d bytes came back, of %s, and not as they were sent", got.Blob.Len(), got.Blob.MediaType())
	}
}

func noise(data []byte) {
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(data) // which never fails
}

// provenUnseen: a call that no server was there for says so, and may be made again; it was made never.
func provenUnseen(e *env) {
	calls := make(chan *note, 10)
	link := e.link(func(s transport.Server) {
		ask.Serve(s, func(_ context.Context, req *note) (*note, error) {
			calls <- req
			return req, nil
		})
	})
	call := ask.Dial(link.Client)
	must[*note](e)(call(e.Context(), &note{}))
	await(e, e.draining(link), "the server ends")
	for range 3 {
		_, err := call(e.Context(), &note{})
		e.refused(err, genai.Unavailable, "")
	}
	ran(e, calls, 1)
}
