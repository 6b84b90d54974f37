package rendezvous_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/dovetail-go/dovetail/internal/rendezvous"
)

// choice returns the target of a key among those with weights, by their number.
func choice(key string, weights map[int]float64) int {
	best, most := -1, math.Inf(-1)
	for i, weight := range weights {
		if s := rendezvous.Score(rendezvous.Hash(key, 0), rendezvous.Hash(fmt.Sprint("target ", i), 0), weight); s > most {
			best, most = i, s
		}
	}
	return best
}

func TestKeysAreSpreadByWeight(t *testing.T) {
	weights := map[int]float64{0: 1, 1: 1, 2: 2}
	got := map[int]int{}
	const keys = 20_000
	for i := range keys {
		got[choice(fmt.Sprint(i), weights)]++
	}
	for i, weight := range weights {
		if want := keys * weight / 4; math.Abs(float64(got[i])-want) > want/20 {
			t.Errorf("target %d has %d keys, which should be about %v", i, got[i], want)
		}
	}
}

func TestOnlyTheKeysOfALostTargetMove(t *testing.T) {
	all := map[int]float64{0: 1, 1: 1, 2: 1, 3: 1}
	fewer := map[int]float64{0: 1, 1: 1, 3: 1}
	for i := range 5000 {
		key := fmt.Sprint(i)
		before, after := choice(key, all), choice(key, fewer)
		if before != 2 && before != after {
			t.Fatalf("key %s moved from %d to %d", key, before, after)
		}
	}
}

// The numbers are part of what processes agree on: another release must not choose otherwise.
func TestHashStaysTheSame(t *testing.T) {
	if a, b := rendezvous.Hash("", 0), rendezvous.Hash("dovetail", 0); a != 0xefd01f60ba992926 || b != 0x677c3057de1ee289 {
		t.Errorf("the hash of nothing is %#x, of dovetail %#x", a, b)
	}
}

func TestRoom(t *testing.T) {
	for _, test := range []struct {
		bound           float64
		calls           int
		weight, weights float64
		want            float64
	}{
		{0, 1, 1, 4, 4}, {0, 100, 1, 4, 32}, {0.5, 100, 1, 4, 25}, {2, 100, 2, 4, 100}, {math.Inf(1), 9, 1, 3, math.Inf(1)},
	} {
		if got := rendezvous.Room(test.bound, test.calls, test.weight, test.weights); got != test.want {
			t.Errorf("Room(%v, %d, %v, %v) = %v, want %v", test.bound, test.calls, test.weight, test.weights, got, test.want)
		}
	}
}
