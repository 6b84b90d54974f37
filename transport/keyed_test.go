package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

var (
	pay  = transport.Op[*ticket, *stub]{Name: "bank.pay", Idempotency: transport.Keyed}
	tape = transport.Op[*ticket, *genai.Stream[stub]]{Name: "bank.tape", Idempotency: transport.Keyed}
)

// A bank counts what it does. Its handlers wait for a word, if there is a channel for it.
type bank struct {
	calls   atomic.Int32
	release chan struct{}
	err     error
	ended   atomic.Int32 // handlers whose context has ended
}

func (b *bank) wait(ctx context.Context) error {
	if b.release == nil {
		return nil
	}
	select {
	case <-b.release:
		return nil
	case <-ctx.Done():
		b.ended.Add(1)
		return ctx.Err()
	}
}

func (b *bank) pay(ctx context.Context, t *ticket) (*stub, error) {
	n := b.calls.Add(1)
	if err := b.wait(ctx); err != nil {
		return nil, err
	}
	if b.err != nil {
		return nil, b.err
	}
	_ = transport.ReplyOf(ctx).Set("cost", fmt.Sprint(n))
	return &stub{ID: t.ID, Piece: int(n)}, nil
}

// tape sends one piece at once, and waits before every other.
func (b *bank) tape(ctx context.Context, t *ticket) (*genai.Stream[stub], error) {
	n := int(b.calls.Add(1))
	return genai.Open(ctx, func(ctx context.Context, yield func(stub) bool) error {
		for i := range t.Pieces {
			if i > 0 {
				if err := b.wait(ctx); err != nil {
					return err
				}
			}
			if !yield(stub{ID: n, Piece: i, Place: strings.Repeat("x", t.ID)}) {
				return nil
			}
		}
		_ = transport.ReplyOf(ctx).Set("cost", fmt.Sprint(n))
		return b.err
	})
}

func (b *bank) network() *inproc.Network {
	n := &inproc.Network{}
	b.serve(n)
	return n
}

func (b *bank) serve(n transport.Server) {
	pay.Serve(n, b.pay)
	tape.Serve(n, b.tape)
}

func key(ctx context.Context, key string) context.Context {
	return transport.WithMetadata(ctx, transport.Key, key)
}

func TestKeyedReplays(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		again int32 // how often the handler is called for two calls
	}{
		"success":             {nil, 1},
		"a definite error":    {&genai.Error{Kind: genai.ContentFiltered, Reason: "no", Message: "not this"}, 1},
		"an unknown error":    {errors.New("no"), 1},
		"a limit of time":     {genai.Errorf(genai.Timeout, "no"), 1},
		"worth repeating":     {genai.Errorf(genai.ServerError, "no"), 2},
		"nothing was begun":   {&genai.Error{Kind: genai.BreakerOpen, Started: genai.StartedNo}, 2},
		"given up by itself":  {context.Canceled, 2},
		"out of time, itself": {context.DeadlineExceeded, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bank{err: c.err}
				n := b.network()
				for i := range 2 {
					ctx, reply := transport.WithReply(key(t.Context(), "a"))
					s, err := pay.Dial(n)(ctx, &ticket{ID: 7})
					if genai.KindOf(err) != genai.KindOf(c.err) || err == nil && (s.ID != 7 || s.Piece != 1 || reply.Get("cost") != "1") {
						t.Errorf("call %d: %+v, %v, reply %v", i, s, err, reply.All())
					}
					if c.err != nil && c.err.Error() != "" && i == 1 && c.again == 1 {
						if e := genai.AsError(err); e.Op != "bank.pay" || e.Reason != genai.AsError(c.err).Reason {
							t.Errorf("the replayed error is %+v", e)
						}
					}
				}
				if got := b.calls.Load(); got != c.again {
					t.Errorf("the handler was called %d times, want %d", got, c.again)
				}
				b.calls.Store(0)
				if _, err := pay.Dial(n)(key(t.Context(), "b"), &ticket{ID: 7}); genai.KindOf(err) != genai.KindOf(c.err) || b.calls.Load() != 1 {
					t.Errorf("another key: %v after %d calls", err, b.calls.Load())
				}
				for range 2 {
					if _, err := pay.Dial(n)(t.Context(), &ticket{ID: 7}); genai.KindOf(err) != genai.KindOf(c.err) {
						t.Errorf("no key: %v", err)
					}
				}
				if b.calls.Load() != 3 {
					t.Errorf("calls without a key are made %d times", b.calls.Load()-1)
				}
			})
		})
	}
}

func TestKeyedStreamsReplay(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		pieces int
		again  int32
	}{
		"success":           {nil, 5, 1},
		"no piece":          {nil, 0, 1},
		"cut":               {genai.Errorf(genai.ContentFiltered, "no"), 3, 1},
		"an error at first": {genai.Errorf(genai.ContentFiltered, "no"), 0, 1},
		"worth repeating":   {genai.Errorf(genai.Truncated, "no"), 3, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bank{err: c.err}
				n := b.network()
				for i := range 2 {
					ctx, reply := transport.WithReply(key(t.Context(), "a"))
					pieces, err := readAll(ctx, n, c.pieces)
					if genai.KindOf(err) != genai.KindOf(c.err) || pieces != c.pieces || reply.Get("cost") == "" {
						t.Errorf("call %d: %d pieces, %v, reply %v", i, pieces, err, reply.All())
					}
				}
				if got := b.calls.Load(); got != c.again {
					t.Errorf("the handler was called %d times, want %d", got, c.again)
				}
			})
		})
	}
}

// readAll reads a stream and checks the order of its pieces.
func readAll(ctx context.Context, n transport.Client, want int) (int, error) {
	s, err := tape.Dial(n)(ctx, &ticket{Pieces: want})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	for i := 0; ; i++ {
		p, err := s.Next()
		if err == io.EOF {
			return i, nil
		}
		if err != nil {
			return i, err
		}
		if p.Piece != i {
			return i, fmt.Errorf("piece %d is %d", i, p.Piece)
		}
	}
}

// TestKeyedJoins: those who call while the work goes on get what comes of it, each a copy of its own.
func TestKeyedJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bank{release: make(chan struct{})}
		n := b.network()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				s, err := pay.Dial(n)(key(t.Context(), "a"), &ticket{ID: 7})
				if err != nil || s.ID != 7 || s.Piece < 1 || s.Piece > 2 {
					t.Errorf("%+v, %v", s, err)
					return
				}
				s.ID = 0
			})
			all.Go(func() {
				if pieces, err := readAll(key(t.Context(), "a"), n, 20); err != nil || pieces != 20 {
					t.Errorf("%d pieces, %v", pieces, err)
				}
			})
		}
		synctest.Wait()
		close(b.release)
		all.Wait()
		if b.calls.Load() != 2 {
			t.Errorf("the handlers were called %d times", b.calls.Load())
		}
	})
}

// TestKeyedReadersAreIndependent: one who does not read holds up nobody, one who leaves neither; and nobody runs ahead.
func TestKeyedReadersAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bank{release: make(chan struct{}, 100)}
		n := b.network()
		open := func() *genai.Stream[stub] {
			s, err := tape.Dial(n)(key(t.Context(), "a"), &ticket{Pieces: 50})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		stalled, leaves, reads := open(), open(), open()
		for range 10 {
			b.release <- struct{}{}
		}
		for range 5 {
			if _, err := reads.Next(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if taken := 10 - len(b.release); taken > 5 {
			t.Errorf("%d pieces were made, though nobody asked for more than 5", taken+1)
		}
		leaves.Close()
		close(b.release)
		for i := 5; i < 50; i++ {
			if p, err := reads.Next(); err != nil || p.Piece != i {
				t.Fatalf("piece %d: %+v, %v", i, p, err)
			}
		}
		for i := range 50 {
			if p, err := stalled.Next(); err != nil || p.Piece != i {
				t.Fatalf("piece %d: %+v, %v", i, p, err)
			}
		}
		if _, err := stalled.Next(); err != io.EOF {
			t.Error(err)
		}
		if b.calls.Load() != 1 {
			t.Errorf("%d calls", b.calls.Load())
		}
	})
}

// TestKeyedOutlivesItsCaller: whoever leaves and comes back finds the work going on, for a while.
func TestKeyedOutlivesItsCaller(t *testing.T) {
	leave := map[string]func(ctx context.Context, n transport.Client) error{
		"value": func(ctx context.Context, n transport.Client) error {
			_, err := pay.Dial(n)(ctx, &ticket{Pieces: 5})
			return err
		},
		"stream": func(ctx context.Context, n transport.Client) error {
			_, err := readAll(ctx, n, 5)
			return err
		},
	}
	for name, call := range leave {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bank{release: make(chan struct{})}
				n := b.network()
				first := func() {
					ctx, cancel := context.WithTimeout(key(t.Context(), "a"), time.Second)
					defer cancel()
					if err := call(ctx, n); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("got %v", err)
					}
				}
				first()
				time.Sleep(50 * time.Second)
				first()
				time.Sleep(50 * time.Second)
				if b.calls.Load() != 1 || b.ended.Load() != 0 {
					t.Errorf("%d calls, of which %d have ended", b.calls.Load(), b.ended.Load())
				}
				go func() { // ends with the test's bubble
					for range 4 {
						b.release <- struct{}{}
					}
				}()
				if name == "value" {
					time.Sleep(time.Second) // what nobody waits for is kept as well
				}
				if err := call(key(t.Context(), "a"), n); err != nil {
					t.Error(err)
				}
				if name == "value" {
					for range 3 {
						<-b.release
					}
				}
				// Nobody comes back.
				ctx, cancel := context.WithTimeout(key(t.Context(), "b"), time.Second)
				defer cancel()
				_ = call(ctx, n)
				time.Sleep(59 * time.Second)
				if b.ended.Load() != 0 {
					t.Error("the work has ended before a minute was over")
				}
				time.Sleep(2 * time.Second)
				if b.ended.Load() != 1 || b.calls.Load() != 2 {
					t.Errorf("%d calls, of which %d have ended", b.calls.Load(), b.ended.Load())
				}
			})
		})
	}
}

func TestKeyedForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bank{}
		n := &inproc.Network{}
		quick := pay
		quick.Keep = time.Hour
		quick.Serve(n, b.pay)
		call := func() {
			if _, err := quick.Dial(n)(key(t.Context(), "a"), &ticket{}); err != nil {
				t.Error(err)
			}
		}
		call()
		time.Sleep(time.Hour - time.Second)
		call()
		if b.calls.Load() != 1 {
			t.Error("it forgets too early")
		}
		time.Sleep(2 * time.Second)
		call()
		if b.calls.Load() != 2 {
			t.Error("it forgets too late")
		}
	})
}

func TestKeyBelongsToARequestOfACaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bank{release: make(chan struct{})}
		n := b.network()
		started := make(chan error, 1)
		go func() { // ends when it is released
			_, err := pay.Dial(n)(key(t.Context(), "a"), &ticket{ID: 1})
			started <- err
		}()
		synctest.Wait()
		other := func() {
			_, err := pay.Dial(n)(key(t.Context(), "a"), &ticket{ID: 2})
			if e := genai.AsError(err); e == nil || e.Kind != genai.InvalidRequest || e.Field != "metadata."+transport.Key || e.Started != genai.StartedNo {
				t.Errorf("another request under the same key: %+v", e)
			}
		}
		other() // while the first goes on
		close(b.release)
		if err := <-started; err != nil {
			t.Error(err)
		}
		other() // and when it is over
		if b.calls.Load() != 1 {
			t.Errorf("%d calls", b.calls.Load())
		}
		n.Name = "somebody else"
		if _, err := pay.Dial(n)(key(t.Context(), "a"), &ticket{ID: 2}); err != nil || b.calls.Load() != 2 {
			t.Errorf("%v after %d calls", err, b.calls.Load())
		}
	})
}

// TestKeyStaysWithOneCall: a handler sees the key that it was called with, and the calls that it makes do not carry it.
func TestKeyStaysWithOneCall(t *testing.T) {
	n := &inproc.Network{Name: "front"}
	inner := transport.Op[*ping, *ping]{Name: "b.inner"}
	inner.Serve(n, func(ctx context.Context, p *ping) (*ping, error) {
		return &ping{transport.Metadata(ctx, transport.Key) + "|" + transport.Metadata(ctx, transport.Caller) + "|" + transport.Metadata(ctx, "tenant")}, nil
	})
	outer := transport.Op[*ping, *ping]{Name: "a.outer"}
	outer.Serve(n, func(ctx context.Context, p *ping) (*ping, error) {
		own := transport.Metadata(ctx, transport.Key)
		plain, err := inner.Dial(n)(ctx, p)
		if err != nil {
			return nil, err
		}
		derived, err := inner.Dial(n)(key(ctx, own+"/1"), p)
		if err != nil {
			return nil, err
		}
		return &ping{own + " " + plain.Text + " " + derived.Text}, nil
	})
	ctx := transport.WithMetadata(key(t.Context(), "k"), "tenant", "t")
	p, err := outer.Dial(n)(ctx, &ping{})
	if err != nil || p.Text != "k |front|t k/1|front|t" {
		t.Errorf("%+v, %v", p, err)
	}
	for name, bad := range map[string]string{"too long": strings.Repeat("x", 257), "a line break": "a\nb", "beyond ASCII": "ä"} {
		if _, err := outer.Dial(n)(key(t.Context(), bad), &ping{}); genai.KindOf(err) != genai.InvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := outer.Dial(n)(transport.WithMetadata(t.Context(), transport.Caller, "root"), &ping{}); genai.KindOf(err) != genai.InvalidRequest {
		t.Errorf("anybody can be anybody: %v", err)
	}
}
