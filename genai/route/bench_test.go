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
	for name, test := range map[string]struct {
		ctx context.Context
		h   genai.Handler[*genai.ModerationRequest, *genai.Verdict]
	}{
		"default":     {t.Context(), route.Among(nil, verdicts(4)...).Handle},
		"round robin": {t.Context(), route.Among(&route.RoundRobin{}, verdicts(4)...).Handle},
		"weighted":    {t.Context(), route.Among(&route.Weighted{}, verdicts(4)...).Handle},
		"least busy":  {t.Context(), route.Among(&route.LeastBusy{}, verdicts(4)...).Handle},
		"one is out":  {t.Context(), route.Among(nil, sometimes...).Handle},
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
