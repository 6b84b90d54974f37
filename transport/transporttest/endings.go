package transporttest

import (
	"context"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

func endings() []promise {
	return []promise{{"D1", "a server that ends lets running calls finish and takes no new ones", []variant{
		{"value", drainValue},
		{"stream", drainStream},
	}}}
}

// draining stops a server and returns a channel that is closed when it has ended.
func (e *env) draining(link Link) <-chan struct{} {
	if link.Stop == nil {
		e.Skip("the server ends with the program")
	}
	ended := make(chan struct{})
	go func() { // ends with the server, which the test awaits
		link.Stop()
		close(ended)
	}()
	return ended
}

// closed waits until new calls are refused.
func (e *env) closed(call genai.Handler[*note, *note]) {
	timeout, cancel := context.WithTimeout(e.Context(), e.patience)
	defer cancel()
	for timeout.Err() == nil {
		_, err := call(timeout, &note{"new"})
		if err != nil {
			e.refused(err, genai.Unavailable, "")
			return
		}
	}
	e.Error("new calls are taken for ever")
}

func drainValue(e *env) {
	begun, release := make(chan struct{}), make(chan struct{})
	link := e.link(func(s transport.Server) {
		ask.Serve(s, func(ctx context.Context, req *note) (*note, error) {
			if req.Text == "new" {
				return req, nil
			}
			close(begun)
			select {
			case <-release:
				return req, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
	})
	call := ask.Dial(link.Client)
	result := async(func() (*note, error) { return call(e.Context(), &note{"old"}) })
	await(e, begun, "the handler is called")
	ended := e.draining(link)
	e.closed(call)
	close(release)
	r := await(e, result, "the running call returns")
	must[*note](e)(r.value, r.err)
	await(e, ended, "the server ends")
}

func drainStream(e *env) {
	release := make(chan struct{})
	link := e.link(func(s transport.Server) {
		ask.Serve(s, func(_ context.Context, req *note) (*note, error) { return req, nil })
		tell.Serve(s, func(ctx context.Context, _ *note) (notes, error) {
			return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
				yield(note{"1"})
				select {
				case <-release:
				case <-ctx.Done():
					return ctx.Err()
				}
				yield(note{"2"})
				return nil
			})
		})
	})
	s := must[notes](e)(tell.Dial(link.Client)(e.Context(), &note{}))
	must[note](e)(s.Next())
	ended := e.draining(link)
	e.closed(ask.Dial(link.Client))
	close(release)
	e.read(s, 1)
	await(e, ended, "the server ends")
}
