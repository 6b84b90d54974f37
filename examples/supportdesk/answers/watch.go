package answers

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A watch is a policy that changes nothing and counts: it stands closest to the model, so it sees each attempt and nothing
// that was turned away before.
type watch struct {
	mu              sync.Mutex
	calls, failures int
	inFlight        int
	firstToken      []time.Duration // of the last answers, the newest last
	lastFailure     genai.Kind
}

// remembered is how many answers the median is made of.
const remembered = 31

// Wrap counts what becomes of the calls of next.
func (w *watch) Wrap(next genai.AnyHandler) genai.AnyHandler {
	return func(ctx context.Context, req any) (any, error) {
		w.begin()
		began := time.Now()
		returned := false
		defer func() {
			if !returned { // a panic
				w.end(genai.Errorf(genai.Internal, "the model panicked"))
			}
		}()
		resp, err := next(ctx, req)
		returned = true
		if err == nil {
			w.arrived(time.Since(began))
		}
		genai.Finally(resp, err, w.end)
		return resp, err
	}
}

func (w *watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	w.inFlight++
}

// arrived notes how long the first token took: a stream is handed out with it.
func (w *watch) arrived(took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.firstToken = append(w.firstToken, took); len(w.firstToken) > remembered {
		w.firstToken = w.firstToken[1:]
	}
}

func (w *watch) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight--
	if kind := genai.KindOf(err); err != nil && kind != genai.Cancelled { // a person who stops an answer is no failure
		w.failures++
		w.lastFailure = kind
	}
}

// figures are what a watch has seen.
type figures struct {
	calls, failures, inFlight int
	lastFailure               genai.Kind
	last, median              time.Duration // to the first token; 0 if there was none
}

func (w *watch) figures() figures {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := figures{calls: w.calls, failures: w.failures, inFlight: w.inFlight, lastFailure: w.lastFailure}
	if n := len(w.firstToken); n > 0 {
		f.last = w.firstToken[n-1]
		f.median = slices.Sorted(slices.Values(w.firstToken))[n/2]
	}
	return f
}
