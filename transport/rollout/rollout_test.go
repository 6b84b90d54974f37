package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
	"github.com/dovetail-go/dovetail/transport/rollout"
)

// places is a transport to clients by their address, "place:<name>".
type places map[string]transport.Client

func (p places) Dial(address string) (transport.Client, error) {
	if c, ok := p[address]; ok {
		return c, nil
	}
	return nil, genai.Errorf(genai.Unsupported, "unknown")
}

func (p places) Listen(string) (transport.Listener, error) {
	return nil, genai.Errorf(genai.Unsupported, "unknown")
}

// take waits, but no longer than ctx lasts.
func take(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// slow is a desk that takes its time.
func slow(name string, takes time.Duration) *desk {
	d := &desk{name: name}
	d.do = func(ctx context.Context, _ *question) (*answer, error) {
		take(ctx, takes)
		return &answer{name}, nil
	}
	return d
}

// failing is a desk of which every nth call fails.
func failing(name string, nth int64, takes time.Duration) *desk {
	var calls atomic.Int64
	return &desk{name: name, do: func(ctx context.Context, _ *question) (*answer, error) {
		n := calls.Add(1)
		take(ctx, takes)
		if n%nth == 0 {
			return nil, genai.Errorf(genai.ServerError, "no")
		}
		return &answer{name}, nil
	}}
}

// traffic makes calls until ctx ends. Their errors are counted.
func traffic(ctx context.Context, c transport.Client) (failed *atomic.Int64, ended *sync.WaitGroup) {
	failed, ended = &atomic.Int64{}, &sync.WaitGroup{}
	call := ask.Dial(c)
	for worker := range 10 {
		ended.Go(func() { // ends with ctx
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := call(ctx, &question{User: fmt.Sprint(worker, ".", i%50)}); err != nil && ctx.Err() == nil {
					failed.Add(1)
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	return failed, ended
}

func TestRollout(t *testing.T) {
	alike := func(_ string, a, b rollout.Answer) string { return "" }
	text := func(_ string, a, b rollout.Answer) string {
		if a.Err == nil && b.Err == nil && a.Value.(*answer).Text != b.Value.(*answer).Text {
			return "text"
		}
		return ""
	}
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		old, fresh *desk
		gone       bool // nobody is at the new place
		mirror     *rollout.Mirror
		steps      []float64 // those that were completed or failed
		regressed  string    // why it goes back
		failed     bool      // callers notice errors
	}{
		"good":               {old: slow("old", 50*ms), fresh: slow("new", 50*ms), steps: []float64{1, 10, 50, 100}},
		"good, copied first": {old: slow("old", 50*ms), fresh: slow("new", 50*ms), mirror: &rollout.Mirror{Differ: alike, Percent: 50}, steps: []float64{0, 1, 10, 50, 100}},
		"a little slower":    {old: slow("old", 50*ms), fresh: slow("new", 69*ms), steps: []float64{1, 10, 50, 100}},
		"slower":             {old: slow("old", 50*ms), fresh: slow("new", 90*ms), steps: []float64{1}, regressed: "longer"},
		"slower as a copy":   {old: slow("old", 50*ms), fresh: slow("new", 90*ms), mirror: &rollout.Mirror{Differ: alike}, steps: []float64{0}, regressed: "longer"},
		"fails":              {old: slow("old", 50*ms), fresh: failing("new", 1, 50*ms), steps: []float64{1}, regressed: "failed", failed: true},
		"fails a little":     {old: slow("old", 50*ms), fresh: failing("new", 20, 50*ms), steps: []float64{1, 10}, regressed: "failed", failed: true},
		"fails as the other": {old: failing("old", 10, 50*ms), fresh: failing("new", 10, 50*ms), steps: []float64{1, 10, 50, 100}, failed: true},
		"differs":            {old: slow("old", 50*ms), fresh: slow("new", 50*ms), mirror: &rollout.Mirror{Differ: text}, steps: []float64{0}, regressed: "answers differ"},
		"fails as a copy":    {old: slow("old", 50*ms), fresh: failing("new", 2, 50*ms), mirror: &rollout.Mirror{}, steps: []float64{0}, regressed: "failed"},
		"nobody there":       {old: slow("old", 50*ms), gone: true, steps: []float64{1}, regressed: "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				there := places{"place:old": c.old.client(), "place:new": gone{&genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo}}}
				if !c.gone {
					there["place:new"] = c.fresh.client()
				}
				sw := &transport.Switch{
					Placement: transport.Placement{At: map[string]string{"desk": "place:old"}},
					Local:     &inproc.Network{}, Remotes: []transport.Remote{there},
				}
				ctx, cancel := context.WithCancel(t.Context())
				failed, ended := traffic(ctx, sw)
				var steps []float64
				r := &rollout.Rollout{Switch: sw, Service: "desk", To: "place:new", Mirror: c.mirror, Key: byUser, Report: func(s rollout.Step) {
					steps = append(steps, s.Percent)
				}}
				err := r.Run(ctx)
				where := sw.Where("desk")
				time.Sleep(time.Second)
				cancel()
				ended.Wait()
				synctest.Wait()
				if !slices.Equal(steps, c.steps) && (c.regressed == "" || !slices.Contains(steps, c.steps[0])) {
					t.Errorf("the steps were %v", steps)
				}
				switch {
				case c.regressed == "":
					if err != nil || where != "place:new" {
						t.Errorf("the service is at %s: %v", where, err)
					}
				case genai.KindOf(err) != genai.Precondition || !strings.Contains(err.Error(), c.regressed) || where != "place:old":
					t.Errorf("the service is at %s: %v", where, err)
				}
				if (failed.Load() > 0) != c.failed {
					t.Errorf("%d calls have failed", failed.Load())
				}
			})
		})
	}
}

// TestRolloutEnds: whoever gives up, or moves the service himself, finds it at one place.
func TestRolloutEnds(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(sw *transport.Switch, cancel func())
		where string
		want  error
	}{
		"given up": {do: func(_ *transport.Switch, cancel func()) { cancel() }, where: "place:old", want: context.Canceled},
		"moved":    {do: func(sw *transport.Switch, _ func()) { _ = sw.Move("desk", "place:third") }, where: "place:third", want: genai.Conflict},
	} {
		for _, when := range []time.Duration{30 * time.Second, 90 * time.Second} { // while it is mirrored, and later
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sw := &transport.Switch{
						Placement: transport.Placement{At: map[string]string{"desk": "place:old"}}, Local: &inproc.Network{},
						Remotes: []transport.Remote{places{
							"place:old": slow("old", 50*time.Millisecond).client(), "place:new": slow("new", 50*time.Millisecond).client(),
							"place:third": slow("third", 50*time.Millisecond).client(),
						}},
					}
					traffickers, stop := context.WithCancel(t.Context())
					failed, ended := traffic(traffickers, sw)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					time.AfterFunc(when, func() { c.do(sw, cancel) })
					r := &rollout.Rollout{Switch: sw, Service: "desk", To: "place:new", Mirror: &rollout.Mirror{}}
					if err := r.Run(ctx); !errors.Is(err, c.want) {
						t.Errorf("got %v, want %v", err, c.want)
					}
					if where := sw.Where("desk"); where != c.where {
						t.Errorf("the service is at %s", where)
					}
					stop()
					ended.Wait()
					synctest.Wait()
					if failed.Load() > 0 {
						t.Errorf("%d calls have failed", failed.Load())
					}
				})
			})
		}
	}
}

func TestRolloutNowhere(t *testing.T) {
	sw := &transport.Switch{Placement: transport.Placement{At: map[string]string{"desk": "place:old"}}, Local: &inproc.Network{}, Remotes: []transport.Remote{places{"place:old": gone{}}}}
	r := &rollout.Rollout{Switch: sw, Service: "desk", To: "gopher://a"}
	if err := r.Run(t.Context()); genai.KindOf(err) != genai.InvalidRequest || sw.Where("desk") != "place:old" {
		t.Errorf("got %v; the service is at %s", err, sw.Where("desk"))
	}
	r.To = "place:old"
	if err := r.Run(t.Context()); err != nil {
		t.Errorf("it is there: %v", err)
	}
}
