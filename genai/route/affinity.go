package route

import (
	"context"
	"math"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/rendezvous"
)

// Affinity sends requests of the same key to the same target, so that what it keeps for them is used again, such as the
// cache of a prompt's beginning. It is a preference only: a target that is not ready, or has too much to do, is passed
// over, and the key goes to its next choice.
//
// Keys are spread by the weights of the targets (by weighted rendezvous hashing). When a target is added or removed, or
// gets another weight, only the keys move that have to. All processes with the same names and weights choose alike.
//
// With a Bound of math.Inf(1) it splits the keys, and nothing else moves them: with weights of 95 and 5, one key in twenty
// tries the new version and stays with it, and as its weight grows, keys come to it and none leaves.
type Affinity struct {
	// Key returns the key of a request, or "" if it may go anywhere. nil means the request's method AffinityKey() string, if
	// it has one, and for a [genai.ChatRequest] its CacheKey, or else its beginning: model, tools, system messages and the
	// first message after them, so that a conversation stays where it began.
	Key func(ctx context.Context, req any) string

	// Bound is how many times its fair share of the calls in flight a target may have before keys go to their next choice.
	// Four calls in flight for each weight are never too many. 0 means 1.25; less than 1 counts as 1.
	Bound float64

	anywhere PeakEWMA
}

// Pick implements [Picker].
func (p *Affinity) Pick(ctx context.Context, req any, among []*Candidate) *Candidate {
	key, ok := p.key(ctx, req)
	if !ok {
		return p.anywhere.Pick(ctx, req, among)
	}
	calls, weights := 1, 0.0
	for _, c := range among {
		calls += c.InFlight()
		weights += float64(c.weight.Load())
	}
	var best *Candidate
	most := math.Inf(-1)
	for _, c := range among {
		weight := float64(c.weight.Load())
		if float64(c.InFlight()) >= rendezvous.Room(p.Bound, calls, weight, weights) {
			continue
		}
		if c.since.Load() != 0 { // it is back: as its share grows, so does the part of its keys that it has again
			weight *= float64(math.Float32frombits(c.share.Load()))
		}
		if score := rendezvous.Score(key, c.hash, weight); score > most {
			best, most = c, score
		}
	}
	if best == nil { // everybody has become busier since they were counted
		return p.anywhere.Pick(ctx, req, among)
	}
	return best
}

func (p *Affinity) key(ctx context.Context, req any) (hash uint64, ok bool) {
	if p.Key != nil {
		key := p.Key(ctx, req)
		return rendezvous.Hash(key, 0), key != ""
	}
	switch req := req.(type) {
	case interface{ AffinityKey() string }:
		key := req.AffinityKey()
		return rendezvous.Hash(key, 0), key != ""
	case *genai.ChatRequest:
		if req == nil || req.CacheKey == "" && len(req.Messages) == 0 {
			return 0, false
		}
		return beginning(req), true
	}
	return 0, false
}

// beginning hashes what the requests of one conversation have in common.
func beginning(req *genai.ChatRequest) uint64 {
	h := rendezvous.Hash(req.Model, 0)
	if req.CacheKey != "" {
		return rendezvous.Hash(req.CacheKey, h)
	}
	for _, tool := range req.Tools {
		h = rendezvous.Hash(tool.Name, h)
	}
	for _, m := range req.Messages {
		for _, part := range m.Parts {
			h = rendezvous.Hash(part.Text, h)
			if part.Image != nil {
				h = rendezvous.Mix(h ^ uint64(part.Image.Len()))
			}
		}
		if m.Role != genai.RoleSystem {
			break
		}
	}
	return h
}
