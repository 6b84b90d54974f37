package route_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
)

func TestPeakEWMAIsFairAmongEquals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		var targets []route.Target[string, string]
		for _, name := range []string{"a", "b", "c", "d"} {
			targets = append(targets, route.To(name, func(context.Context, string) (string, error) {
				asked[name]++
				time.Sleep(100 * time.Millisecond)
				return name, nil
			}))
		}
		r := route.Among(&route.PeakEWMA{Rand: seeded()}, targets...)
		calls(t, r.Handle, 4000)
		for name, n := range asked {
			if math.Abs(float64(n)-1000) > 400 {
				t.Errorf("%s was asked %d times of 4000", name, n)
			}
		}
	})
}

func TestPeakEWMAKeepsToWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		big := &station{slots: 1000, takes: time.Second}
		small := &station{slots: 1000, takes: time.Second}
		heavy := route.To("big", big.serve)
		heavy.Weight = 3
		drive(t, route.Among(&route.PeakEWMA{Rand: seeded()}, heavy, route.To("small", small.serve)).Handle, 100, 30*time.Second)
		if share := float64(big.served) / float64(big.served+small.served); math.Abs(share-0.75) > 0.05 {
			t.Errorf("the target with three quarters of the weight got %.2f of the calls", share)
		}
	})
}

func TestFastFailuresDoNotAttract(t *testing.T) {
	for _, kind := range []genai.Kind{genai.Unavailable, genai.RateLimited, genai.BreakerOpen, genai.Unknown, genai.NotFound} {
		synctest.Test(t, func(t *testing.T) {
			well := &station{slots: 1000, takes: time.Second}
			failed := 0
			broken := func(context.Context, string) (string, error) {
				failed++
				return "", kind
			}
			r := route.Among(&route.PeakEWMA{Rand: seeded()}, route.To("broken", broken), route.To("well", well.serve))
			drive(t, r.Handle, 50, time.Minute)
			if failed < 1 || failed > 100 {
				t.Errorf("%s: %d of 3000 calls went to a target that fails at once", kind, failed)
			}
		})
	}
}

func TestNeutralFailures(t *testing.T) {
	for kind := range genai.Kinds {
		s := &spy{Picker: &route.RoundRobin{}}
		_, _ = route.Among(s, route.To("a", fails(kind))).Handle(t.Context(), "q")
		blamed := s.seen["a"].Latency() >= 900*time.Millisecond
		want := kind.Faulty() || kind.Failover() && kind != genai.Unsupported
		if blamed != want {
			t.Errorf("%s: held against the target is %v, want %v", kind, blamed, want)
		}
	}
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		takes, then := time.Second, error(nil)
		s := &spy{Picker: &route.RoundRobin{}}
		r := route.Among(s, route.To("a", genai.Handler[string, string](func(ctx context.Context, _ string) (string, error) {
			select {
			case <-time.After(takes):
				return "", then
			case <-ctx.Done():
				return "", genai.ContextError(ctx)
			}
		})))
		call := func(d time.Duration, err error) {
			takes, then = d, err
			_, _ = r.Handle(t.Context(), "q")
		}
		want := func(what string, want time.Duration) {
			t.Helper()
			if got := s.seen["a"].Latency(); math.Abs(float64(got-want)) > float64(want)/50 {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		call(time.Second, nil)
		want("the first answer", time.Second)
		call(3*time.Second, nil)
		want("a slower one", 3*time.Second)
		call(time.Second, nil) // one second has gone by: e^-0.1 is kept
		want("a faster one", 2810*time.Millisecond)
		time.Sleep(10 * time.Second)
		want("ten seconds of silence", 1034*time.Millisecond)
		call(0, genai.InvalidRequest)
		want("a request that is wrong", 1034*time.Millisecond)
		call(0, genai.Unavailable)
		want("a failure", 2067*time.Millisecond)
		call(0, genai.Unavailable)
		want("another", 4134*time.Millisecond)
		for range 20 {
			call(0, genai.Unavailable)
		}
		want("the worst", time.Minute)

		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		takes = time.Hour
		_, _ = r.Handle(ctx, "q")
		want("a caller who left after five seconds", 5*time.Second)
		time.Sleep(50 * time.Hour) // beyond what the clock of an average can count
		call(time.Second, nil)
		if got := s.seen["a"].Latency(); got < time.Second || got > 5*time.Second {
			t.Errorf("after two days: %v", got)
		}
	})
}

func TestOneProbeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		well := &station{slots: 1000, takes: time.Second}
		probes, most := 0, 0
		stuck := func(ctx context.Context, _ string) (string, error) {
			probes++
			most = max(most, probes)
			defer func() { probes-- }()
			time.Sleep(20 * time.Second)
			return "", genai.Timeout
		}
		r := route.Among(&route.PeakEWMA{Rand: seeded()}, route.To("well", well.serve))
		drive(t, r.Handle, 1, 5*time.Second)
		r.Set(route.To("well", well.serve), route.To("new", stuck))
		drive(t, r.Handle, 10, time.Minute)
		if most != 1 {
			t.Errorf("%d calls waited for a target that never answered", most)
		}
	})
}

// A station serves so many calls at a time, in their order, each for about as long as it takes. It lives in a bubble.
type station struct {
	slots  int
	takes  time.Duration
	spread func() float64 // nil: always the same time

	mu               sync.Mutex
	queue            []chan struct{}
	busy             int
	present, most    int
	served           int
	slower           float64
	slowFrom, slowTo time.Time
}

func (s *station) serve(context.Context, string) (string, error) {
	s.mu.Lock()
	s.present++
	s.most = max(s.most, s.present)
	if s.busy == s.slots {
		turn := make(chan struct{})
		s.queue = append(s.queue, turn)
		s.mu.Unlock()
		<-turn
		s.mu.Lock()
	} else {
		s.busy++
	}
	takes := float64(s.takes)
	if s.spread != nil {
		takes *= s.spread()
	}
	if now := time.Now(); now.After(s.slowFrom) && now.Before(s.slowTo) {
		takes *= s.slower
	}
	s.mu.Unlock()
	time.Sleep(time.Duration(takes))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.present--
	s.served++
	if len(s.queue) > 0 {
		close(s.queue[0])
		s.queue = s.queue[1:]
	} else {
		s.busy--
	}
	return "", nil
}

// A trip is one call of drive.
type trip struct {
	began time.Time
	took  time.Duration
}

// drive calls h at a steady rate for a while, waits for all answers, and says how long each took.
func drive(t *testing.T, h genai.Handler[string, string], rate int, d time.Duration) []trip {
	var mu sync.Mutex
	var trips []trip
	var wg sync.WaitGroup
	for range int(d.Seconds() * float64(rate)) {
		wg.Go(func() {
			began := time.Now()
			_, _ = h(t.Context(), "q")
			mu.Lock()
			defer mu.Unlock()
			trips = append(trips, trip{began, time.Since(began)})
		})
		time.Sleep(time.Second / time.Duration(rate))
	}
	wg.Wait()
	return trips
}

// percentile returns the p-th part of the times of those trips that began between from and to.
func percentile(trips []trip, p float64, from, to time.Time) time.Duration {
	var took []time.Duration
	for _, trip := range trips {
		if !trip.began.Before(from) && trip.began.Before(to) {
			took = append(took, trip.took)
		}
	}
	slices.Sort(took)
	return took[int(p*float64(len(took)-1))]
}

// TestHerd sends 70 calls a second to four targets of 25 slots each, one of which becomes eight times slower for a
// minute. Nobody may have to wait for it, and nobody may be run down by those who avoid it.
func TestHerd(t *testing.T) {
	type result struct {
		before, p50, p99 time.Duration
		most             int // the most calls at one target before the fault
	}
	run := func(p route.Picker) (res result) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, 4))
			var mu sync.Mutex
			logNormal := func() float64 {
				mu.Lock()
				defer mu.Unlock()
				return math.Exp(0.4 * random.NormFloat64())
			}
			begin := time.Now()
			from, to := begin.Add(time.Minute), begin.Add(2*time.Minute)
			var stations []*station
			var targets []route.Target[string, string]
			for i := range 4 {
				s := &station{slots: 25, takes: 900 * time.Millisecond, spread: logNormal}
				if i == 0 {
					s.slower, s.slowFrom, s.slowTo = 8, from, to
				}
				stations = append(stations, s)
				targets = append(targets, route.To(string(rune('a'+i)), s.serve))
			}
			r := route.Among(p, targets...)
			trips := drive(t, r.Handle, 70, time.Minute)
			for _, s := range stations {
				res.most = max(res.most, s.most)
			}
			trips = append(trips, drive(t, r.Handle, 70, 2*time.Minute)...)
			res.before = percentile(trips, 0.99, begin, from)
			res.p50 = percentile(trips, 0.50, from, to)
			res.p99 = percentile(trips, 0.99, from, to)
		})
		return res
	}
	robin := run(&route.RoundRobin{})
	busy := run(&route.LeastBusy{})
	peak := run(&route.PeakEWMA{Rand: seeded()})
	t.Logf("round robin %+v", robin)
	t.Logf("least busy  %+v", busy)
	t.Logf("peak ewma   %+v", peak)
	if peak.p99 > robin.p99/5 {
		t.Errorf("p99 during the fault: peak EWMA %v, round robin %v", peak.p99, robin.p99)
	}
	if peak.p50 > 2*time.Second {
		t.Errorf("p50 during the fault: %v", peak.p50)
	}
	if peak.before > 2*robin.before {
		t.Errorf("p99 without a fault: peak EWMA %v, round robin %v", peak.before, robin.before)
	}
	if fair := 70 * 0.9 * math.Exp(0.08) / 4; float64(peak.most) > 2*fair {
		t.Errorf("%d calls at one of four healthy targets; a fair share is %.0f", peak.most, fair)
	}
}

func TestAverageSurvivesARace(t *testing.T) {
	s := &spy{Picker: &route.PeakEWMA{}}
	r := route.Among(s, route.To("a", genai.Handler[string, string](func(_ context.Context, q string) (string, error) {
		if q == "bad" {
			return "", errors.New("bad")
		}
		return "", nil
	})))
	var wg sync.WaitGroup
	for _, q := range []string{"good", "bad", "good"} {
		wg.Go(func() {
			for range 1000 {
				_, _ = r.Handle(t.Context(), q)
				_ = s.seen
			}
		})
	}
	wg.Wait()
	if a := s.seen["a"]; a.InFlight() != 0 || a.Latency() < time.Second || a.Latency() > 61*time.Second {
		t.Errorf("%d in flight, %v", a.InFlight(), a.Latency())
	}
}
