package transporttest

import (
	"context"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

func versions() []promise {
	return []promise{{"D6", "sides with two versions of a contract understand each other, or name both", []variant{
		{"a request clashes", func(e *env) {
			e.clashes(serves(transport.Op[*counted2, *note]{Name: "suite.clash"}), calls(transport.Op[*note, *note]{Name: "suite.clash"}, &note{"1"}), "request.text")
		}},
		{"a response clashes", func(e *env) {
			e.clashes(serves(transport.Op[*note, *counted2]{Name: "suite.clash"}), calls(transport.Op[*note, *note]{Name: "suite.clash"}, &note{"1"}), "response.text")
		}},
		{"a piece clashes", func(e *env) {
			e.clashes(serves(transport.Op[*note, *genai.Stream[counted2]]{Name: "suite.clash"}), calls(transport.Op[*note, notes]{Name: "suite.clash"}, &note{"1"}), "response.text")
		}},
		{"a value for a stream", func(e *env) {
			e.clashes(serves(transport.Op[*note, *note]{Name: "suite.clash"}), calls(transport.Op[*note, notes]{Name: "suite.clash"}, &note{"1"}), "")
		}},
		{"a stream for a value", func(e *env) {
			e.clashes(serves(transport.Op[*note, notes]{Name: "suite.clash"}), calls(transport.Op[*note, *note]{Name: "suite.clash"}, &note{"1"}), "")
		}},
		{"an optional field more", optionalField},
		{"streams with a field more", newerStream},
	}}}
}

// counted2 has a number where a note has a text.
type counted2 struct {
	Text int64 `json:"text"`
}

// optional has more than a note, as versions that follow one another do.
type optional struct {
	Text string   `json:"text"`
	Tags []string `json:"tags,omitzero"`
}

// serves puts a handler on a server that must not be called.
func serves[Req, Resp any](op transport.Op[Req, Resp]) func(transport.Server, func()) {
	return func(s transport.Server, called func()) {
		op.Serve(s, func(context.Context, Req) (none Resp, err error) {
			called()
			return none, genai.Errorf(genai.Internal, "the handler was called")
		})
	}
}

// calls makes calls to it.
func calls[Req, Resp any](op transport.Op[Req, Resp], req Req) func(context.Context, transport.Client) error {
	return func(ctx context.Context, c transport.Client) error {
		resp, err := op.Dial(c)(ctx, req)
		if err == nil {
			genai.Discard(resp)
		}
		return err
	}
}

// clashes checks that a call fails before there is a handler, with an error that names both sides' contracts.
func (e *env) clashes(serve func(transport.Server, func()), call func(context.Context, transport.Client) error, field string) {
	e.Helper()
	link := e.link(func(s transport.Server) {
		serve(s, func() { e.Error("the handler was called") })
	})
	for range 2 {
		err := call(e.Context(), link.Client)
		e.refused(err, genai.Precondition, field)
		if field != "" && (!strings.Contains(err.Error(), "caller's contract") || !strings.Contains(err.Error(), "server's")) {
			e.Errorf("the error does not name both: %v", err)
		}
	}
}

func optionalField(e *env) {
	older, newer := transport.Op[*note, *note]{Name: "suite.version2"}, transport.Op[*optional, *optional]{Name: "suite.version2"}
	oldSide := e.link(func(s transport.Server) {
		older.Serve(s, func(_ context.Context, n *note) (*note, error) { return n, nil })
	})
	for range 2 {
		if got := must[*optional](e)(newer.Dial(oldSide.Client)(e.Context(), &optional{"a", []string{"b"}})); got.Text != "a" || got.Tags != nil {
			e.Errorf("a newer caller got %+v", got)
		}
	}
	newSide := e.link(func(s transport.Server) {
		newer.Serve(s, func(_ context.Context, o *optional) (*optional, error) {
			if o.Tags != nil {
				e.Errorf("the handler got %+v", o)
			}
			return &optional{o.Text, []string{"c"}}, nil
		})
	})
	for range 2 {
		if got := must[*note](e)(older.Dial(newSide.Client)(e.Context(), &note{"a"})); got.Text != "a" {
			e.Errorf("an older caller got %+v", got)
		}
	}
}

func newerStream(e *env) {
	link := e.link(func(s transport.Server) {
		transport.Op[*optional, *genai.Stream[optional]]{Name: "suite.versions"}.Serve(s, func(ctx context.Context, o *optional) (*genai.Stream[optional], error) {
			return once(ctx, optional{o.Text, []string{"1"}}, optional{o.Text, nil}, optional{o.Text, []string{"3"}})
		})
	})
	call := transport.Op[*note, notes]{Name: "suite.versions"}.Dial(link.Client)
	for range 2 {
		e.read(must[notes](e)(call(e.Context(), &note{"a"})), 3)
	}
}
