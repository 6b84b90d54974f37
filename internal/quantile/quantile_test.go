package quantile

import (
	"sync"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	var q Quantile
	for i := range least - 1 {
		q.Add(time.Duration(i))
	}
	if q.Value() != 0 {
		t.Errorf("%v is known from %d samples", q.Value(), least-1)
	}
	for i := range 10_000 {
		q.Add(time.Duration(i%100+1) * time.Millisecond)
	}
	if got := q.Value(); got < 94*time.Millisecond || got > 96*time.Millisecond {
		t.Errorf("of 1 to 100 ms it is %v", got)
	}
	for range kept + every {
		q.Add(time.Second)
	}
	if q.Value() != time.Second {
		t.Errorf("it remembers: %v", q.Value())
	}
}

func TestTogether(t *testing.T) {
	var q Quantile
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { // waited for below
			for range 1000 {
				q.Add(time.Second)
				_ = q.Value()
			}
		})
	}
	all.Wait()
	if q.Value() != time.Second {
		t.Error(q.Value())
	}
}

func BenchmarkAdd(b *testing.B) {
	var q Quantile
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		q.Add(time.Duration(i * 7919 % 1000))
	}
}
