package transporttest

import (
	"context"
	"encoding/json"
	"log/slog"
	"runtime"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

const secret = "what the panic says"

func panics() []promise {
	die := func() { panic(secret) }
	return []promise{{"E8", "a panic is the error of one call", []variant{
		{"value", func(e *env) { e.survives(die) }},
		{"before the first piece", func(e *env) { e.survivesInStream(die, 0) }},
		{"in a stream", func(e *env) { e.survivesInStream(die, 2) }},
		{"the handler ends its goroutine", func(e *env) { e.survives(runtime.Goexit) }},
		{"the producer ends its goroutine", func(e *env) { e.survivesInStream(runtime.Goexit, 2) }},
		{"in a method of a request", fragileRequest},
		{"in a method of a response", fragileResponse},
		{"in a method of a piece", fragilePiece},
	}}}
}

// quiet keeps the stacks, which are logged on purpose, out of the output of the test.
func (e *env) quiet() {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	e.Cleanup(func() { slog.SetDefault(before) })
}

func (e *env) survives(die func()) {
	e.quiet()
	link := e.link(func(s transport.Server) {
		ask.Serve(s, func(_ context.Context, req *note) (*note, error) {
			if req.Text == "die" {
				die()
			}
			return req, nil
		})
	})
	call := ask.Dial(link.Client)
	result := await(e, async(func() (*note, error) { return call(e.Context(), &note{"die"}) }), "the call returns")
	e.died(result.err)
	must[*note](e)(call(e.Context(), &note{}))
}

func (e *env) survivesInStream(die func(), after int) {
	e.quiet()
	call := place(e, tell, func(ctx context.Context, req *note) (notes, error) {
		return genai.Open(ctx, func(_ context.Context, yield func(note) bool) error {
			for range after {
				yield(note{"a piece"})
			}
			if req.Text == "die" {
				die()
			}
			yield(note{"the last"})
			return nil
		})
	})
	read := func() (int, error) {
		s, err := call(e.Context(), &note{"die"})
		if err != nil {
			return 0, err
		}
		defer s.Close()
		for n := 0; ; n++ {
			if _, err := s.Next(); err != nil {
				return n, err
			}
		}
	}
	result := await(e, async(read), "the stream ends")
	e.died(result.err)
	if result.value != after {
		e.Errorf("%d pieces arrived before the end, want %d", result.value, after)
	}
	e.read(must[notes](e)(call(e.Context(), &note{})), after+1)
}

// A fragile message is written and read by methods of its own, which may panic.
type fragile struct{ Text string }

type plain fragile

func (f fragile) MarshalJSON() ([]byte, error) {
	if f.Text == "die when written" {
		panic(secret)
	}
	return json.Marshal(plain(f))
}

func (f *fragile) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, (*plain)(f)); err != nil {
		return err
	}
	if f.Text == "die when read" {
		panic(secret)
	}
	return nil
}

var (
	hold = transport.Op[*fragile, *fragile]{Name: "suite.hold"}
	drop = transport.Op[*note, *genai.Stream[fragile]]{Name: "suite.drop"}
)

func fragileRequest(e *env) {
	e.quiet()
	calls := make(chan *fragile, 10)
	call := place(e, hold, func(_ context.Context, req *fragile) (*fragile, error) {
		calls <- req
		return req, nil
	})
	for _, text := range []string{"die when written", "die when read"} {
		_, err := call(e.Context(), &fragile{text})
		e.refused(err, genai.Internal, "")
		if strings.Contains(err.Error(), secret) {
			e.Errorf("the caller is told what the panic says: %v", err)
		}
	}
	must[*fragile](e)(call(e.Context(), &fragile{"live"}))
	ran(e, calls, 1)
}

func fragileResponse(e *env) {
	e.quiet()
	call := place(e, hold, func(_ context.Context, req *fragile) (*fragile, error) {
		return &fragile{strings.TrimPrefix(req.Text, "please ")}, nil
	})
	for _, text := range []string{"please die when written", "please die when read"} {
		resp, err := call(e.Context(), &fragile{text})
		e.died(err)
		if resp != nil {
			e.Error("there is a response beside the error")
		}
	}
	must[*fragile](e)(call(e.Context(), &fragile{"live"}))
}

func fragilePiece(e *env) {
	e.quiet()
	call := place(e, drop, func(ctx context.Context, req *note) (*genai.Stream[fragile], error) {
		return once(ctx, fragile{"live"}, fragile{req.Text})
	})
	for _, text := range []string{"die when written", "die when read"} {
		s := must[*genai.Stream[fragile]](e)(call(e.Context(), &note{text}))
		must[fragile](e)(s.Next())
		_, err := s.Next()
		e.died(err)
		s.Close()
	}
}

func (e *env) died(err error) {
	e.Helper()
	e.failed(err, genai.Internal)
	if strings.Contains(err.Error(), secret) {
		e.Errorf("the caller is told what the panic says, which may be anything: %v", err)
	}
	if own := genai.AsError(err); own.Started == genai.StartedNo {
		e.Errorf("the call is said not to have started: %v", err)
	}
}
