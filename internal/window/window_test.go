package window

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// TestWindow compares a Window with a list of everything that was ever reported.
func TestWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var w Window
		w.Init(160)
		type report struct {
			at int64
			ok bool
		}
		var all []report
		now := rng.Int64N(1 << 40)
		for range 300 {
			now += rng.Int64N(20)
			if rng.IntN(50) == 0 {
				now += rng.Int64N(1000)
			}
			r := report{now, rng.IntN(2) == 0}
			all = append(all, r)
			if r.ok {
				w.Succeeded(now)
			} else {
				w.Failed(now)
			}
			wantOK, wantFailed := 0, 0
			for _, r := range all {
				switch {
				case now/10-r.at/10 >= 16:
				case r.ok:
					wantOK++
				default:
					wantFailed++
				}
			}
			ok, failed := w.Sum(now)
			if ok != wantOK || failed != wantFailed || w.Failures(now) != wantFailed {
				t.Fatalf("at %d: %d succeeded and %d failed, want %d and %d", now, ok, failed, wantOK, wantFailed)
			}
		}
		w.Clear()
		if ok, failed := w.Sum(now); ok+failed != 0 {
			t.Fatalf("%d and %d after Clear", ok, failed)
		}
	}
}

func TestWindowLosesNothing(t *testing.T) {
	var w Window
	w.Init(time.Hour)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10000 {
				w.Succeeded(1)
				w.Failed(1)
			}
		})
	}
	wg.Wait()
	if ok, failed := w.Sum(1); ok != 80000 || failed != 80000 {
		t.Errorf("%d succeeded and %d failed, want 80000 of each", ok, failed)
	}
}
