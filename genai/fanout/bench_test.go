package fanout_test

import (
	"context"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/fanout"
)

// Each benchmark asks eight handlers that answer at once; errgroup by hand is what it is measured against.
func BenchmarkFanout(b *testing.B) {
	echo := func(_ context.Context, n *int) (*int, error) { return n, nil }
	var eight []genai.Handler[*int, *int]
	reqs := make([]*int, 8)
	for i := range reqs {
		reqs[i] = new(i)
		eight = append(eight, echo)
	}
	run := func(name string, f func(ctx context.Context) error) {
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if err := f(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	all, first, mapped := fanout.All(eight...), fanout.First(eight...), fanout.Map(echo, 8)
	run("All", func(ctx context.Context) error { _, err := all(ctx, reqs[0]); return err })
	run("First", func(ctx context.Context) error { _, err := first(ctx, reqs[0]); return err })
	run("Map", func(ctx context.Context) error { _, err := mapped(ctx, reqs); return err })
	quorum, vote := fanout.Quorum(4, eight...), fanout.Vote(8, func(n *int) int { return *n }, eight...)
	run("Quorum", func(ctx context.Context) error { _, err := quorum(ctx, reqs[0]); return err })
	run("Vote", func(ctx context.Context) error { _, err := vote(ctx, reqs[0]); return err })
	run("errgroup", func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		resps := make([]*int, len(reqs))
		for i, h := range eight {
			g.Go(func() (err error) { resps[i], err = h(ctx, reqs[i]); return err })
		}
		return g.Wait()
	})
}
