package route_test

import (
	"context"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
)

// verdicts returns so many targets that answer at once.
func verdicts(n int) []route.Target[*genai.ModerationRequest, *genai.Verdict] {
	verdict := &genai.Verdict{}
	var targets []route.Target[*genai.ModerationRequest, *genai.Verdict]
	for i := range n {
		targets = append(targets, route.To(string(rune('a'+i)), func(context.Context, *genai.ModerationRequest) (*genai.Verdict, error) {
			return verdict, nil
		}))
	}
	return targets
}

func TestNothingOnTheHeap(t *testing.T) {
	sometimes := verdicts(4)
	sometimes[2].Ready = func() bool { return false }
	able := verdicts(4)
	able[1].When = func(context.Context, *genai.ModerationRequest) bool { return false }
	points := route.Score(func(_ context.Context, _ any, c *route.Candidate) float64 { return c.Cost() })
	byName := &route.Affinity{Key: func(context.Context, any) string { return "key" }}
	for name, test := range map[string]struct {
		ctx context.Context
		h   genai.Handler[*genai.ModerationRequest, *genai.Verdict]
	}{
		"default":     {t.Context(), route.Among(nil, verdicts(4)...).Handle},
		"round robin": {t.Context(), route.Among(&route.RoundRobin{}, verdicts(4)...).Handle},
		"weighted":    {t.Context(), route.Among(&route.Weighted{}, verdicts(4)...).Handle},
		"least busy":  {t.Context(), route.Among(&route.LeastBusy{}, verdicts(4)...).Handle},
		"affinity":    {t.Context(), route.Among(byName, verdicts(4)...).Handle},
		"cheapest":    {t.Context(), route.Among(&route.Cheapest{}, verdicts(4)...).Handle},
		"score":       {t.Context(), route.Among(points, verdicts(4)...).Handle},
		"one is out":  {t.Context(), route.Among(nil, sometimes...).Handle},
		"one cannot":  {t.Context(), route.Among(nil, able...).Handle},
		"fallback":    {t.Context(), route.Fallback(verdicts(2)[0].Handler, verdicts(2)[1].Handler)},
	} {
		req := &genai.ModerationRequest{}
		if n := testing.AllocsPerRun(1000, func() { _, _ = test.h(test.ctx, req) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkRouter(b *testing.B) {
	req := &genai.ModerationRequest{}
	for _, bench := range []struct {
		name   string
		picker route.Picker
	}{
		{"PeakEWMA", &route.PeakEWMA{}},
		{"RoundRobin", &route.RoundRobin{}},
		{"Weighted", &route.Weighted{}},
		{"LeastBusy", &route.LeastBusy{}},
	} {
		h := route.Among(bench.picker, verdicts(4)...).Handle
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := b.Context()
			for b.Loop() {
				if _, err := h(ctx, req); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bench.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			ctx := b.Context()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := h(ctx, req); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkFallback(b *testing.B) {
	req := &genai.ModerationRequest{}
	up := verdicts(1)[0].Handler
	h := route.Fallback(up, up)
	b.ReportAllocs()
	ctx := b.Context()
	for b.Loop() {
		if _, err := h(ctx, req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDirect is what the others are to be compared with.
func BenchmarkDirect(b *testing.B) {
	req := &genai.ModerationRequest{}
	h := verdicts(1)[0].Handler
	ctx := b.Context()
	for b.Loop() {
		if _, err := h(ctx, req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPick measures the pickers that look at more than a counter, by what a whole call costs.
func BenchmarkPick(b *testing.B) {
	verdict := &genai.Verdict{}
	chat := &genai.ChatRequest{Messages: []genai.Message{genai.System("You are a careful assistant."), genai.User("What is a dovetail joint?")}}
	var targets []route.Target[*genai.ChatRequest, *genai.Verdict]
	for i := range 4 {
		targets = append(targets, route.To(string(rune('a'+i)), func(context.Context, *genai.ChatRequest) (*genai.Verdict, error) {
			return verdict, nil
		}))
	}
	for _, bench := range []struct {
		name   string
		picker route.Picker
	}{
		{"Affinity", &route.Affinity{}},
		{"Cheapest", &route.Cheapest{}},
		{"Score", route.Score(func(_ context.Context, _ any, c *route.Candidate) float64 { return -c.Cost() })},
	} {
		h := route.Among(bench.picker, targets...).Handle
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := b.Context()
			for b.Loop() {
				if _, err := h(ctx, chat); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMirror(b *testing.B) {
	up := verdicts(1)[0].Handler
	for name, share := range map[string]float64{"copied": 1, "not copied": 1e-300} {
		m := &route.Mirror[*genai.ModerationRequest, *genai.Verdict]{Main: up, Shadow: up, Share: share, InFlight: 1 << 20}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			req := &genai.ModerationRequest{}
			ctx := b.Context()
			for b.Loop() {
				if _, err := m.Handle(ctx, req); err != nil {
					b.Fatal(err)
				}
			}
		})
		_ = m.Shutdown(b.Context())
	}
}

func BenchmarkCascade(b *testing.B) {
	up := verdicts(1)[0].Handler
	h := route.Cascade(func(context.Context, *genai.ModerationRequest, *genai.Verdict) bool { return true }, up, up)
	req := &genai.ModerationRequest{}
	b.ReportAllocs()
	ctx := b.Context()
	for b.Loop() {
		if _, err := h(ctx, req); err != nil {
			b.Fatal(err)
		}
	}
}
