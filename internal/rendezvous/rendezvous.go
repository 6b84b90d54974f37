// Package rendezvous spreads keys over targets so that everybody who knows the same targets chooses alike, and so that only
// the keys move that have to when targets come and go: weighted rendezvous hashing, also called highest random weight
// (Thaler and Ravishankar, 1998).
package rendezvous

import "math"

// Hash goes on with a hash of text, from 0. It is FNV-1a, mixed: the same in every process and release.
func Hash(text string, h uint64) uint64 {
	h ^= 14695981039346656037
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return Mix(h)
}

// Mix spreads every bit of x over all bits: the end of MurmurHash3.
func Mix(x uint64) uint64 {
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// Score says how much a key prefers a target: the one with the highest score is its own, the one with the next is where it
// goes when that is out. A target has the highest score for as many keys as its weight says.
func Score(key, target uint64, weight float64) float64 {
	h := Mix(key ^ target)
	return weight / -math.Log((float64(h>>11)+0.5)/(1<<53)) // of a number between 0 and 1, which is neither
}

const (
	few   = 4    // calls in flight for each weight are never too many: of so few, a fair share means nothing
	usual = 1.25 // times the fair share
)

// Room returns how many calls a target of a weight may have in flight before it takes no more keys: bound times its fair share
// of the calls, of which there are calls at targets whose weights add up to weights. A bound of 0 means 1.25; less than 1 counts as 1.
func Room(bound float64, calls int, weight, weights float64) float64 {
	if bound == 0 {
		bound = usual
	}
	fair := float64(calls) * weight / weights
	return max(math.Ceil(max(1, bound)*fair), few*weight)
}
