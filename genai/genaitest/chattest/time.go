package chattest

import (
	"context"
	"fmt"
	"iter"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
)

// scripted returns what the model itself says.
func scripted(e *env, step genaitest.Step) iter.Seq2[genai.ChatEvent, error] {
	s, err := genaitest.Script(step).Chat(e.t.Context(), ask())
	if err != nil {
		return func(yield func(genai.ChatEvent, error) bool) { yield(genai.ChatEvent{}, err) }
	}
	return s.All()
}

// timing: when things happen.
func timing() group {
	return group{name: "time", why: "a stream is handed out with its first real piece, and each piece when it comes: not before, and not later", checks: []check{
		{"first piece", func(e *env) error {
			c, _ := e.client(genaitest.Pieces("a", "b").After(20 * time.Second).Every(time.Minute))
			began := time.Now()
			s, err := c.Chat(e.t.Context(), ask())
			if err != nil {
				return err
			}
			defer s.Close()
			return took("the stream was handed out", began, 20*time.Second)
		}},
		{"every piece", func(e *env) error {
			c, _ := e.client(genaitest.Pieces("a", "b", "c").After(time.Second).Every(time.Minute))
			began := time.Now()
			s, err := c.Chat(e.t.Context(), ask())
			if err != nil {
				return err
			}
			due := time.Second
			for event, err := range s.All() {
				if err != nil {
					return err
				}
				if event.Preamble() {
					continue
				}
				if err := took("the piece "+event.Text+" came", began, due); err != nil {
					return err
				}
				due += time.Minute
			}
			return nil
		}},
		{"end", func(e *env) error {
			c, _ := e.client(genaitest.Pieces("a", "b").Every(time.Minute))
			began := time.Now()
			for _, err := range c.stream(e) {
				if err != nil {
					return err
				}
			}
			return took("the stream ended", began, time.Minute)
		}},
		{"late failure", func(e *env) error {
			c, _ := e.client(genaitest.Fail(genai.Overloaded).After(time.Minute).Always())
			for _, w := range c.ways() {
				began := time.Now()
				resp, err := w.complete(e.t.Context(), ask())
				if err := failed(resp, err, genai.Overloaded); err != nil {
					return err
				}
				if err := took(w.name+": the failure was told", began, time.Minute); err != nil {
					return err
				}
			}
			return nil
		}},
	}}
}

// stream asks for a stream and returns what comes.
func (c Client) stream(e *env) iter.Seq2[genai.ChatEvent, error] {
	s, err := c.Chat(e.t.Context(), ask())
	if err != nil {
		return func(yield func(genai.ChatEvent, error) bool) { yield(genai.ChatEvent{}, err) }
	}
	return s.All()
}

// took checks that something happened when it should.
func took(what string, began time.Time, want time.Duration) error {
	if got := time.Since(began); got < want || got > want+50*time.Millisecond { // some clients give a connection a moment to end
		return fmt.Errorf("%s after %v, want %v", what, got, want)
	}
	return nil
}

// leaving: what becomes of calls whose caller leaves.
func leaving() group {
	return group{name: "leaving", why: "a caller who leaves is obeyed at once, whatever the provider does, and the provider hears of it", checks: []check{
		{"before the first piece", func(e *env) error { return e.leaves(genaitest.Hang(), context.Canceled) }},
		{"behind a piece", func(e *env) error { return e.leaves(genaitest.Reply("a").ThenHang(), context.Canceled) }},
		{"deadline before the first piece", func(e *env) error { return e.leaves(genaitest.Hang(), context.DeadlineExceeded) }},
		{"deadline behind a piece", func(e *env) error { return e.leaves(genaitest.Reply("a").ThenHang(), context.DeadlineExceeded) }},
		{"close", closes},
		{"cause", keepsTheCause},
		{"before the call", func(e *env) error {
			c, model := e.client(genaitest.Reply("a"))
			ctx, cancel := context.WithCancel(e.t.Context())
			cancel()
			for _, w := range c.ways() {
				resp, err := w.complete(ctx, ask())
				if err := failed(resp, err, genai.Cancelled); err != nil {
					return fmt.Errorf("%s: %w", w.name, err)
				}
			}
			if n := len(model.Calls()); n > 0 {
				return fmt.Errorf("the model was called %d times for a caller who was gone", n)
			}
			return nil
		}},
	}}
}

// leaves lets the caller leave after a minute, by cancelling or by a deadline.
func (e *env) leaves(step genaitest.Step, why error) error {
	c, model := e.client(step.Always())
	kind := genai.KindOf(why)
	for i, w := range c.ways() {
		ctx, cancel := context.WithCancel(e.t.Context())
		if kind == genai.DeadlineExceeded {
			ctx, cancel = context.WithTimeout(e.t.Context(), time.Minute)
		} else {
			time.AfterFunc(time.Minute, cancel)
		}
		defer cancel()
		began := time.Now()
		resp, err := w.complete(ctx, ask())
		if err := failed(resp, err, kind); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if err := took(w.name+": the call ended", began, time.Minute); err != nil {
			return err
		}
		if err := heard(model, i); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

// heard checks that the model knows that nobody waits for the answer to call i any more.
func heard(model *genaitest.Model, i int) error {
	synctest.Wait()
	if calls := model.Calls(); len(calls) != i+1 || !calls[i].Abandoned {
		return fmt.Errorf("the provider was not told: %d calls", len(calls))
	}
	return nil
}

// closes: a stream that is closed lets go of its provider, while a reader waits and while none does.
func closes(e *env) error {
	c, model := e.client(genaitest.Reply("a").ThenHang().Always())
	for i, reading := range []bool{false, true} {
		s, err := c.Chat(e.t.Context(), ask())
		if err != nil {
			return err
		}
		began := time.Now()
		if reading {
			time.AfterFunc(time.Minute, func() { s.Close() })
			if _, err := genai.FoldChat(s.All()); genai.KindOf(err) != genai.Cancelled {
				return fmt.Errorf("a stream that was closed while it was read ended with %v", err)
			}
			if err := took("the reader was let go", began, time.Minute); err != nil {
				return err
			}
		} else {
			s.Close()
		}
		if err := heard(model, i); err != nil {
			return err
		}
	}
	return nil
}

// keepsTheCause: the error that a context was cancelled with is the one that comes out.
func keepsTheCause(e *env) error {
	c, _ := e.client(genaitest.Reply("a").ThenHang().Always())
	cause := &genai.Error{Kind: genai.LimitReached, Message: "somebody else was first"}
	for _, w := range c.ways() {
		ctx, cancel := context.WithCancelCause(e.t.Context())
		time.AfterFunc(time.Minute, func() { cancel(cause) })
		resp, err := w.complete(ctx, ask())
		cancel(nil)
		if err := failed(resp, err, genai.LimitReached); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}
