package rollout

import (
	"context"
	"math"
	"math/rand/v2"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// A Split is a client that sends a share of the calls to New and the others to Old. It begins with none, see [Split.Set]. Set
// the fields before use. It is safe for concurrent use.
//
// A call that New has turned away unseen goes to Old.
type Split struct {
	Old, New transport.Client

	// Key says what belongs together: calls of a service with the same key go the same way, in every process that splits
	// by the same share, and those that go to New keep going there while the share grows. Where it returns "", and if it is
	// nil, it is the [transport.Key] of the call; calls without that go either way at random.
	//
	// A keyed call that is repeated after its key has changed sides is made again there, unless both sides share a
	// [transport.Store].
	Key func(ctx context.Context, op string, req any) string

	share atomic.Uint64 // of whole
}

// whole is how many shares there are.
const whole = 1 << 32

// Set sets the percentage of the calls that go to New, while calls run: below 0 counts as 0, above 100 as 100.
func (s *Split) Set(percent float64) {
	s.share.Store(uint64(math.Round(whole * max(0, min(percent, 100)) / 100)))
}

// Percent returns what was set.
func (s *Split) Percent() float64 { return float64(s.share.Load()) * 100 / whole }

// Call implements [transport.Client].
func (s *Split) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	if !s.fresh(ctx, spec, req) {
		return s.Old.Call(ctx, spec, req)
	}
	resp, err := s.New.Call(ctx, spec, req)
	if err != nil && spec.Unseen(err) && genai.KindOf(err).Failover() && ctx.Err() == nil {
		return s.Old.Call(ctx, spec, req)
	}
	return resp, err
}

// fresh reports whether a call goes to New.
func (s *Split) fresh(ctx context.Context, spec *transport.Spec, req any) bool {
	share := s.share.Load()
	switch share {
	case 0:
		return false
	case whole:
		return true
	}
	key := ""
	if s.Key != nil {
		key = s.Key(ctx, spec.Name, req)
	}
	if key == "" {
		key = transport.Metadata(ctx, transport.Key)
	}
	if key == "" {
		return uint64(rand.Uint32()) < share
	}
	return uint64(slot(spec.Service(), key)) < share
}

// slot returns the share that a key belongs to. It is FNV-1a with the end of SplitMix64, which is the same everywhere: equal keys
// must meet in processes that know nothing of each other.
func slot(service, key string) uint32 {
	h := uint64(14695981039346656037)
	for _, part := range []string{service, "\x00", key} {
		for i := range len(part) {
			h = (h ^ uint64(part[i])) * 1099511628211
		}
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return uint32(h >> 32)
}
