package resilience_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/resilience"
)

// spend takes what there is and returns how much it was.
func spend(b *resilience.Budget) (n int) {
	for b.Withdraw() {
		n++
	}
	return n
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &resilience.Budget{}
		if n := spend(b); n != 100 {
			t.Errorf("a new budget has %d tokens", n)
		}
		times(20, b.Deposit)
		if n := spend(b); n != 2 {
			t.Errorf("20 first attempts are worth %d tokens", n)
		}
		time.Sleep(3 * time.Second)
		if n := spend(b); n != 3 {
			t.Errorf("3 seconds are worth %d tokens", n)
		}
		times(10, func() { // many short waits are worth as much as a long one
			time.Sleep(100 * time.Millisecond)
			if b.Withdraw() {
				b.Refund()
			}
		})
		if n := spend(b); n != 1 {
			t.Errorf("a second in ten parts is worth %d tokens", n)
		}
		time.Sleep(time.Hour)
		times(10_000, b.Deposit)
		if n := spend(b); n != 100 {
			t.Errorf("it keeps %d tokens", n)
		}
		b.Refund()
		if n := spend(b); n != 1 {
			t.Errorf("what is given back is worth %d tokens", n)
		}
	})
}

func TestBudgetFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &resilience.Budget{Ratio: 0.5, Floor: -1, Cap: 4}
		if n := spend(b); n != 4 {
			t.Errorf("it starts with %d tokens", n)
		}
		time.Sleep(time.Hour)
		if n := spend(b); n != 0 {
			t.Errorf("without a floor an hour is worth %d tokens", n)
		}
		times(3, b.Deposit)
		if n := spend(b); n != 1 {
			t.Errorf("3 first attempts are worth %d tokens", n)
		}
	})
}

func TestBudgetTogether(t *testing.T) {
	b := &resilience.Budget{Floor: -1, Ratio: 0.1, Cap: 50}
	var spent atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { // waited for below
			for range 1000 {
				b.Deposit()
				if b.Withdraw() {
					spent.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := spent.Load(); n > 50+800 || n < 750 {
		t.Errorf("of 50 and 800 tokens %d were spent", n)
	}
}
