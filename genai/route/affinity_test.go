package route_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
)

// itself is the key of a request that is its own key.
func itself(_ context.Context, req any) string { return req.(string) }

// places asks r each key once, and returns who answered which.
func places(t *testing.T, r *route.Router[string, string], keys int) map[string]string {
	t.Helper()
	got := map[string]string{}
	for i := range keys {
		key := fmt.Sprint("key ", i)
		answer, err := r.Handle(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		got[key] = answer
	}
	return got
}

func named(n int) []route.Target[string, string] {
	var targets []route.Target[string, string]
	for i := range n {
		name := string(rune('a' + i))
		targets = append(targets, route.To(name, says(name)))
	}
	return targets
}

func TestAffinityMovesNoMoreThanItMust(t *testing.T) {
	const keys = 10000
	r := route.Among(&route.Affinity{Key: itself}, named(5)...)
	before := places(t, r, keys)
	count := map[string]int{}
	for _, target := range before {
		count[target]++
	}
	for name, n := range count {
		if math.Abs(float64(n)-keys/5) > keys/50 {
			t.Errorf("%s has %d of %d keys", name, n, keys)
		}
	}
	if again := places(t, r, keys); fmt.Sprint(again) != fmt.Sprint(before) {
		t.Error("keys move by themselves")
	}
	r.Set(named(4)...)
	for key, target := range places(t, r, keys) {
		if was := before[key]; was != "e" && was != target {
			t.Fatalf("%s moved from %s to %s because e was removed", key, was, target)
		}
	}
	r.Set(named(6)...)
	moved := 0
	for key, target := range places(t, r, keys) {
		if target == before[key] {
			continue
		}
		if moved++; target != "f" {
			t.Fatalf("%s moved from %s to %s because f was added", key, before[key], target)
		}
	}
	if moved > keys/6+keys/50 {
		t.Errorf("%d of %d keys moved to one of six", moved, keys)
	}
}

// A share that grows takes keys from others and gives none back.
func TestSplit(t *testing.T) {
	const keys = 10000
	r := &route.Router[string, string]{Picker: &route.Affinity{Key: itself, Bound: math.Inf(1)}}
	had := map[string]bool{}
	for _, percent := range []int{1, 5, 10, 50, 90} {
		stable, canary := route.To("stable", says("stable")), route.To("canary", says("canary"))
		stable.Weight, canary.Weight = 100-percent, percent
		r.Set(stable, canary)
		n := 0
		for key, target := range places(t, r, keys) {
			if target == "canary" {
				n++
				had[key] = true
			} else if had[key] {
				t.Fatalf("%s lost the new version when its share grew to %d %%", key, percent)
			}
		}
		if math.Abs(float64(n)/keys-float64(percent)/100) > 0.015 {
			t.Errorf("%d %%: %d of %d keys", percent, n, keys)
		}
	}
}

func TestAffinityIsAPreference(t *testing.T) {
	up := true
	targets := named(3)
	targets[0].Ready = func() bool { return up }
	r := route.Among(&route.Affinity{Key: itself}, targets...)
	r.Ramp = -1
	before := places(t, r, 100)
	up = false
	for key, target := range places(t, r, 100) {
		if target == "a" || before[key] != "a" && before[key] != target {
			t.Errorf("%s went from %s to %s", key, before[key], target)
		}
	}
	up = true
	for key, target := range places(t, r, 100) {
		if before[key] != target {
			t.Errorf("%s is at %s and not back at %s", key, target, before[key])
		}
	}
	// An attempt that follows another goes elsewhere, but for one key always to the same.
	ctx := &genai.Trail{Context: t.Context()}
	first, _ := r.Handle(ctx, "k")
	second, _ := r.Handle(ctx, "k")
	if first == second {
		t.Errorf("both attempts went to %s", first)
	}
}

// TestAffinityBound sends keys of very different popularity to four targets. Nobody may have more than his bound, and
// nearly everybody must find what he left behind.
func TestAffinityBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(5, 6))
		popular := rand.NewZipf(random, 1.01, 50, 4999)
		var mu sync.Mutex
		last := map[string]string{}
		inflight, most, total := map[string]int{}, 0.0, 0
		hits, asked := 0, 0
		var targets []route.Target[string, string]
		for i := range 4 {
			name := string(rune('a' + i))
			targets = append(targets, route.To(name, func(_ context.Context, key string) (string, error) {
				mu.Lock()
				if where, ok := last[key]; ok {
					asked++
					if where == name {
						hits++
					}
				} else {
					last[key] = name // where the cache of this key is
				}
				inflight[name]++
				total++
				if total >= 100 {
					most = max(most, float64(inflight[name])/(float64(total)/4))
				}
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				inflight[name]--
				total--
				mu.Unlock()
				return name, nil
			}))
		}
		r := route.Among(&route.Affinity{Key: itself}, targets...)
		var wg sync.WaitGroup
		for range 20000 {
			key := fmt.Sprint(popular.Uint64())
			wg.Go(func() { _, _ = r.Handle(t.Context(), key) })
			time.Sleep(2500 * time.Microsecond) // 400 in flight
		}
		wg.Wait()
		if share := float64(hits) / float64(asked); share < 0.9 {
			t.Errorf("%.3f of %d calls found what they left behind", share, asked)
		}
		if most > 1.30 { // 1.25, and one call that does not come in halves; the mean falls while it runs
			t.Errorf("a target had %.3f times its fair share", most)
		}
	})
}

// One key alone is not worth an overload.
func TestAffinityOfOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &route.Affinity{Key: itself}
		s := &spy{Picker: p}
		slow := func(name string) genai.Handler[string, string] {
			return func(context.Context, string) (string, error) { time.Sleep(time.Second); return name, nil }
		}
		r := route.Among(s, route.To("a", slow("a")), route.To("b", slow("b")))
		var wg sync.WaitGroup
		for n, want := range map[int]int{4: 4, 40: 25} {
			for range n {
				wg.Go(func() { _, _ = r.Handle(t.Context(), "the one") })
				synctest.Wait()
			}
			a, b := s.seen["a"].InFlight(), s.seen["b"].InFlight()
			if max(a, b) != want || a+b != n {
				t.Errorf("%d calls: %d and %d", n, a, b)
			}
			wg.Wait()
		}
	})
}

type keyed string

func (k keyed) AffinityKey() string { return string(k) }

func TestAffinityKeys(t *testing.T) {
	chat := func(model, system string, turns ...string) *genai.ChatRequest {
		req := &genai.ChatRequest{Model: model, Messages: []genai.Message{genai.System(system)}}
		for _, turn := range turns {
			req.Messages = append(req.Messages, genai.User(turn))
		}
		return req
	}
	cached := chat("m", "s", "another")
	cached.CacheKey = "c"
	alsoCached := chat("m", "t")
	alsoCached.CacheKey = "c"
	tooled := chat("m", "s", "u")
	tooled.Tools = []genai.Tool{{Name: "t"}}
	groups := [][]any{ // those of one group belong together, and to nobody else
		{keyed("a"), keyed("a")},
		{keyed("b")},
		{chat("m", "s", "u"), chat("m", "s", "u", "v"), chat("m", "s", "u", "w", "x")},
		{chat("n", "s", "u")},
		{chat("m", "t", "u")},
		{chat("m", "s", "v")},
		{cached, alsoCached},
		{tooled},
	}
	// Many targets, so that different keys hardly ever meet.
	var targets []route.Target[any, string]
	for i := range 1000 {
		name := fmt.Sprint(i)
		targets = append(targets, route.Target[any, string]{Name: name, Handler: func(context.Context, any) (string, error) { return name, nil }})
	}
	h := route.Among(&route.Affinity{}, targets...).Handle
	seen := map[string]bool{}
	for i, group := range groups {
		var where string
		for k, req := range group {
			got, err := h(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if k == 0 {
				where = got
			}
			if got != where {
				t.Errorf("request %d of group %d went elsewhere", k, i)
			}
		}
		if seen[where] {
			t.Errorf("group %d is together with another", i)
		}
		seen[where] = true
	}
	for _, req := range []any{keyed(""), "plain", &genai.ChatRequest{}, (*genai.ChatRequest)(nil), nil} {
		everywhere := map[string]bool{}
		for range 20 {
			got, _ := h(t.Context(), req)
			everywhere[got] = true
		}
		if len(everywhere) < 5 {
			t.Errorf("%v has no key and went to %d targets only", req, len(everywhere))
		}
	}
}

func TestScore(t *testing.T) {
	points := func(table map[string]float64) route.Score {
		return func(_ context.Context, req any, c *route.Candidate) float64 { return table[c.Name()] }
	}
	for _, test := range []struct {
		name string
		of   map[string]float64
		want string
	}{
		{"the most", map[string]float64{"a": 1, "b": 3, "c": 2}, "b"},
		{"negative ones", map[string]float64{"a": -1, "b": -3, "c": -2}, "a"},
		{"equals", map[string]float64{"a": 2, "b": 1, "c": 2}, "ac"},
		{"not a number", map[string]float64{"a": math.NaN(), "b": -3, "c": math.Inf(-1)}, "b"},
		{"nobody", map[string]float64{"a": math.NaN(), "b": math.Inf(-1), "c": math.Inf(-1)}, ""},
	} {
		h := route.Among(points(test.of), named(3)...).Handle
		seen := map[string]bool{}
		for range 200 {
			got, err := h(t.Context(), "q")
			if genai.KindOf(err) != genai.NoTarget && err != nil || (err == nil) != (test.want != "") {
				t.Fatalf("%s: %v", test.name, err)
			}
			if got != "" {
				seen[got] = true
			}
		}
		for got := range seen {
			if !strings.Contains(test.want, got) {
				t.Errorf("%s: %s answered", test.name, got)
			}
		}
		if len(seen) != len(test.want) {
			t.Errorf("%s: %v answered", test.name, seen)
		}
	}
}

func TestCheapest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		takes := map[string]time.Duration{"cheap": 10 * time.Second, "fair": time.Second, "dear": time.Second}
		var targets []route.Target[string, string]
		for name, cost := range map[string]float64{"cheap": 1, "fair": 2, "dear": 3} {
			targets = append(targets, route.Target[string, string]{Name: name, Cost: cost, Handler: func(context.Context, string) (string, error) {
				time.Sleep(takes[name])
				return name, nil
			}})
		}
		ask := func(p route.Picker, n int) map[string]int {
			r := route.Among(p, targets...)
			var mu sync.Mutex
			got := map[string]int{}
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					name, _ := r.Handle(t.Context(), "q")
					mu.Lock()
					defer mu.Unlock()
					got[name]++
				})
				synctest.Wait()
			}
			wg.Wait()
			return got
		}
		for _, test := range []struct {
			picker *route.Cheapest
			n      int
			want   string
		}{
			{&route.Cheapest{}, 5, "map[cheap:5]"},
			{&route.Cheapest{InFlight: 2}, 5, "map[cheap:2 dear:1 fair:2]"},
			{&route.Cheapest{Latency: time.Minute}, 5, "map[cheap:5]"},
		} {
			if got := fmt.Sprint(ask(test.picker, test.n)); got != test.want {
				t.Errorf("%+v: %s, want %s", test.picker, got, test.want)
			}
		}
		slow := &route.Cheapest{Latency: 2 * time.Second}
		h := route.Among(slow, targets...).Handle
		for i, want := range []string{"cheap", "fair", "fair", "fair"} {
			if got, _ := h(t.Context(), "q"); got != want {
				t.Errorf("call %d went to %s, not to %s", i, got, want)
			}
		}
		if got := ask(&route.Cheapest{InFlight: 1}, 12); len(got) != 3 || got["cheap"]+got["fair"]+got["dear"] != 12 {
			t.Errorf("more than the bounds allow: %v", got) // somebody serves them all the same
		}
	})
}
