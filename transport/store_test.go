package transport_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// A shelf is a store that two servers share, and that breaks when it is told to.
type shelf struct {
	mu            sync.Mutex
	all           map[string][]byte
	claim, settle error
	panics        bool
	keep          time.Duration
}

func (s *shelf) Claim(_ context.Context, id string, mark []byte, keep time.Duration) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panics {
		panic("the shelf has come down")
	}
	if s.claim != nil {
		return nil, s.claim
	}
	if found, ok := s.all[id]; ok {
		return found, nil
	}
	if s.all == nil {
		s.all = map[string][]byte{}
	}
	s.all[id], s.keep = mark, keep
	return nil, nil
}

func (s *shelf) Settle(_ context.Context, id string, record []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settle != nil {
		return s.settle
	}
	if record == nil {
		delete(s.all, id)
		return nil
	}
	s.all[id] = record
	return nil
}

// TestStoreIsShared: what one server has done, another does not do again.
func TestStoreIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &shelf{}
		b := &bank{}
		one, two := &inproc.Network{Results: store}, &transport.Switch{Local: &inproc.Network{}, Results: store}
		b.serve(one)
		b.serve(two)
		for _, n := range []transport.Client{one, two} {
			s, err := pay.Dial(n)(key(t.Context(), "a"), &ticket{ID: 3})
			if err != nil || s.ID != 3 || s.Piece != 1 {
				t.Errorf("%+v, %v", s, err)
			}
			if pieces, err := readAll(key(t.Context(), "a"), n, 4); err != nil || pieces != 4 {
				t.Errorf("%d pieces, %v", pieces, err)
			}
			synctest.Wait() // the store has it a moment after the caller
		}
		if b.calls.Load() != 2 || store.keep != 10*time.Minute {
			t.Errorf("%d calls, kept for %v", b.calls.Load(), store.keep)
		}
		for id := range store.all {
			if strings.Contains(id, "a\"") || !strings.HasPrefix(id, "dovetail/bank.") {
				t.Errorf("the store has %q", id)
			}
		}

		// Somebody works on it in another process.
		b.release = make(chan struct{})
		started := make(chan error, 1)
		go func() { // ends when it is released
			_, err := pay.Dial(one)(key(t.Context(), "b"), &ticket{})
			started <- err
		}()
		synctest.Wait()
		_, err := pay.Dial(two)(key(t.Context(), "b"), &ticket{})
		if e := genai.AsError(err); e == nil || e.Kind != genai.Conflict || e.Started != genai.StartedYes || e.RetryAfter != time.Second {
			t.Errorf("got %+v", e)
		}
		close(b.release)
		if err := <-started; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if _, err := pay.Dial(two)(key(t.Context(), "b"), &ticket{}); err != nil || b.calls.Load() != 3 {
			t.Errorf("%v after %d calls", err, b.calls.Load())
		}
	})
}

func TestStoreBreaks(t *testing.T) {
	for name, c := range map[string]struct {
		store   *shelf
		first   genai.Kind
		started genai.Started
		second  genai.Kind
		calls   int32
	}{
		"it cannot be asked":        {store: &shelf{claim: errors.New("no connection")}, first: genai.Unavailable, started: genai.StartedNo, second: genai.Unavailable},
		"it has too much to do":     {store: &shelf{claim: genai.Errorf(genai.Overloaded, "no")}, first: genai.Overloaded, started: genai.StartedNo, second: genai.Overloaded},
		"it panics":                 {store: &shelf{panics: true}, first: genai.Internal, started: genai.StartedYes, second: genai.Internal},
		"it cannot keep":            {store: &shelf{settle: errors.New("no room")}, second: genai.Conflict, calls: 1},
		"it holds something else":   {store: &shelf{all: map[string][]byte{"": []byte("nonsense")}}, first: genai.Internal, second: genai.Internal},
		"it holds half of a result": {store: &shelf{all: map[string][]byte{"": []byte("\x02{}\x01")}}, first: genai.Internal, second: genai.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bank{}
				store := transport.Store(c.store)
				if c.store.all != nil {
					store = always{c.store.all[""]}
				}
				n := &inproc.Network{Results: store}
				b.serve(n)
				for i, want := range []genai.Kind{c.first, c.second} {
					_, err := pay.Dial(n)(key(t.Context(), "a"), &ticket{})
					if genai.KindOf(err) != want || i == 0 && err != nil && c.started != "" && genai.AsError(err).Started != c.started {
						t.Errorf("call %d: %+v", i, err)
					}
				}
				if b.calls.Load() != c.calls {
					t.Errorf("the handler was called %d times", b.calls.Load())
				}
			})
		})
	}
}

// always is a store that has the same under every id.
type always struct{ record []byte }

func (a always) Claim(context.Context, string, []byte, time.Duration) ([]byte, error) {
	return a.record, nil
}
func (a always) Settle(context.Context, string, []byte, time.Duration) error { return nil }

// TestTooLargeToKeep: the first caller gets all of it, whoever comes later is refused, and nothing is done twice.
func TestTooLargeToKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bank{}
		n := b.network()
		read := func() (int, error) {
			s, err := tape.Dial(n)(key(t.Context(), "a"), &ticket{ID: 1 << 20, Pieces: 20})
			if err != nil {
				return 0, err
			}
			defer s.Close()
			for i := 0; ; i++ {
				if _, err := s.Next(); err != nil {
					return i, err
				}
			}
		}
		if pieces, err := read(); pieces != 20 || err.Error() != "EOF" {
			t.Errorf("%d pieces, %v", pieces, err)
		}
		_, err := read()
		if e := genai.AsError(err); e.Kind != genai.Conflict || e.Started != genai.StartedYes {
			t.Errorf("got %+v", e)
		}
		if b.calls.Load() != 1 {
			t.Errorf("%d calls", b.calls.Load())
		}
	})
}

// TestMemoryIsBounded: many large results take no more than so much memory; what was dropped is not done again.
func TestMemoryIsBounded(t *testing.T) {
	b := &bank{}
	n := &inproc.Network{}
	large := transport.Op[*ticket, *stub]{Name: "bank.large", Idempotency: transport.Keyed}
	large.Serve(n, func(context.Context, *ticket) (*stub, error) {
		b.calls.Add(1)
		return &stub{Place: strings.Repeat("x", 8<<20)}, nil
	})
	call := func(i int) error {
		_, err := large.Dial(n)(key(t.Context(), string(rune('a'+i))), &ticket{})
		return err
	}
	const calls = 12 // 96 MiB
	for i := range calls {
		if err := call(i); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	if mem.HeapAlloc > 85<<20 {
		t.Errorf("%d MiB are in use", mem.HeapAlloc>>20)
	}
	if err := call(0); genai.KindOf(err) != genai.Conflict {
		t.Errorf("the oldest: %v", err)
	}
	if err := call(calls - 1); err != nil {
		t.Errorf("the newest: %v", err)
	}
	if b.calls.Load() != calls {
		t.Errorf("%d calls", b.calls.Load())
	}
}

// TestKeyedGoexit: a handler that ends its goroutine has done nobody knows what, so it is not called again.
func TestKeyedGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &inproc.Network{}
		calls := 0
		pay.Serve(n, func(context.Context, *ticket) (*stub, error) { calls++; runtime.Goexit(); return nil, nil })
		for i, want := range []genai.Kind{genai.Internal, genai.Conflict} {
			if _, err := pay.Dial(n)(key(t.Context(), "a"), &ticket{}); genai.KindOf(err) != want {
				t.Errorf("call %d: %v", i, err)
			}
			synctest.Wait()
		}
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}
