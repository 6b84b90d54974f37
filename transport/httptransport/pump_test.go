package httptransport

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// A gated writer is a connection that takes one write each time that somebody lets it.
type gated struct {
	open    chan struct{}
	writes  []string
	flushed int // of the writes
}

func (g *gated) Header() http.Header { return nil }
func (g *gated) WriteHeader(int)     {}
func (g *gated) Flush()              { g.flushed = len(g.writes) }
func (g *gated) Write(b []byte) (int, error) {
	<-g.open
	g.writes = append(g.writes, string(b))
	return len(b), nil
}

// TestPumpGathers: each piece goes out at once, flushed, while its producer takes time for the next one; those that are made while the
// connection is busy go out together.
func TestPumpGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{open: make(chan struct{}, 100)}
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		p := newPump(g, cancel, 0, nil)
		send := func(pieces string) {
			for _, piece := range pieces {
				if !p.send(func(b []byte) []byte { return append(b, byte(piece)) }) {
					t.Error("nobody takes a piece")
				}
			}
			synctest.Wait()
		}
		gone := func(want ...string) {
			t.Helper()
			if !slices.Equal(g.writes, want) || g.flushed != len(want) {
				t.Errorf("went out: %q, %d of it flushed; want %q", g.writes, g.flushed, want)
			}
		}
		for range 3 {
			g.open <- struct{}{}
		}
		send("a")
		gone("a")
		send("b")
		gone("a", "b")
		send("c")
		gone("a", "b", "c")
		send("d")                       // which is being written
		send(strings.Repeat("e", 1000)) // and these wait
		gone("a", "b", "c")
		g.open <- struct{}{}
		g.open <- struct{}{}
		synctest.Wait()
		gone("a", "b", "c", "d", strings.Repeat("e", 1000))
		g.open <- struct{}{}
		p.finish([]byte("."))
		if last := g.writes[len(g.writes)-1]; last != "." || ctx.Err() != nil {
			t.Errorf("the end is %q, %v", last, ctx.Err())
		}
		p.watch.release()
	})
}

// TestPumpIsBounded: a producer that is far ahead of its connection waits.
func TestPumpIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{open: make(chan struct{}, 1)}
		_, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		p := newPump(g, cancel, -1, nil)
		g.open <- struct{}{}
		made := 0
		over := make(chan struct{})
		go func() { // waited for below
			defer close(over)
			for range 1000 {
				p.send(func(b []byte) []byte { return append(b, make([]byte, 1<<10)...) })
				made++
			}
		}()
		synctest.Wait()
		if most := 1 + maxAhead>>10; made > 2*most+1 { // what is being written, and what waits
			t.Errorf("%d KiB were made of which 1 went out", made)
		}
		close(g.open)
		<-over
		p.finish(nil)
		p.watch.release()
	})
}
