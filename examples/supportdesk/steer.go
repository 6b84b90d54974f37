package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/rollout"
)

const orders = `I understand:
  where                            where each service is
  edges                            who may call what
  move SERVICE ADDRESS|here        send all calls there
  split SERVICE ADDRESS PERCENT    send a part of the calls there
  mirror SERVICE ADDRESS           send copies there, and compare
  rollout SERVICE ADDRESS [HOLD]   step by step, and back if it does worse; a step takes HOLD, such as 10s`

// A steering moves services while the program runs.
type steering struct {
	sw      *transport.Switch
	split   map[string]*rollout.Split // by service, while it is split
	from    map[string]string         // where a service was before it was split or mirrored
	end     map[string]func()         // ends what was ordered for a service, and waits for it
	running sync.WaitGroup            // what goes on by itself

	mu  sync.Mutex
	out io.Writer
}

// steer does what the lines of in say, until there are no more. Whoever can write to the program's standard input is allowed to:
// there is no way to it over the network.
func steer(ctx context.Context, in io.Reader, out io.Writer, sw *transport.Switch) {
	s := &steering{sw: sw, out: out, split: map[string]*rollout.Split{}, from: map[string]string{}, end: map[string]func(){}}
	defer s.running.Wait()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if err := s.obey(ctx, strings.Fields(lines.Text())); err != nil {
			s.say("%s", describe(err))
		}
	}
}

func (s *steering) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *steering) obey(ctx context.Context, words []string) error {
	if len(words) == 0 {
		return nil
	}
	switch verb, args := words[0], words[1:]; {
	case verb == "where" && len(args) == 0:
		for _, service := range contract.Services {
			s.say("%s %s", service, s.sw.Where(service))
		}
	case verb == "edges" && len(args) == 0:
		for caller, op := range s.sw.Edges() {
			s.say("%s -> %s", caller, op)
		}
	case verb == "move" && len(args) == 2:
		s.stop(args[0])
		if err := s.sw.Move(args[0], addressOf(args[1])); err != nil {
			return err
		}
		s.say("%s is now at %s", args[0], s.sw.Where(args[0]))
	case verb == "split" && len(args) == 3:
		return s.splitOff(args[0], addressOf(args[1]), args[2])
	case verb == "mirror" && len(args) == 2:
		return s.mirror(args[0], addressOf(args[1]))
	case verb == "rollout" && (len(args) == 2 || len(args) == 3):
		return s.rollOut(ctx, args[0], addressOf(args[1]), args[2:])
	default:
		s.say(orders)
	}
	return nil
}

func addressOf(word string) string {
	if word == "here" {
		return transport.Here
	}
	return word
}

// stop ends what was ordered for a service before; it is where it was before that, then.
func (s *steering) stop(service string) {
	if end := s.end[service]; end != nil {
		end()
	}
	delete(s.end, service)
	delete(s.split, service)
	delete(s.from, service)
}

// both returns the clients for where a service is and for where it may go. What was ordered before ends.
func (s *steering) both(service, to string) (old, fresh transport.Client, err error) {
	s.stop(service)
	from := s.sw.Where(service)
	if old, err = s.sw.Reach(service, from); err != nil {
		return nil, nil, err
	}
	if fresh, err = s.sw.Reach(service, to); err != nil {
		return nil, nil, err
	}
	s.from[service] = from
	return old, fresh, nil
}

// back moves a service to where it was.
func (s *steering) back(service string) {
	if err := s.sw.Move(service, s.from[service]); err != nil {
		s.say("%s", describe(err))
	}
}

// splitOff sends a share of the calls to another address, or another share.
func (s *steering) splitOff(service, to, percent string) error {
	share, err := strconv.ParseFloat(strings.TrimSuffix(percent, "%"), 64)
	if err != nil || !(share >= 0 && share <= 100) {
		return genai.Errorf(genai.InvalidRequest, "%q is no percentage", percent)
	}
	name := "split:" + to
	split := s.split[service]
	if split == nil || s.sw.Where(service) != name {
		split = &rollout.Split{Key: sameText}
		if split.Old, split.New, err = s.both(service, to); err != nil {
			return err
		}
		s.split[service] = split
		s.end[service] = func() { s.back(service) }
		s.sw.Point(service, name, split)
	}
	split.Set(share)
	s.say("%g %% of the calls of %s go to %s, the others to %s", share, service, to, s.from[service])
	return nil
}

// sameText sends questions about the same to the same place.
func sameText(_ context.Context, _ string, req any) string {
	switch r := req.(type) {
	case *genai.ModerationRequest:
		return r.Text
	case *contract.SearchRequest:
		return r.Query
	}
	return "" // as its key says, or at random
}

// mirror sends copies of the calls to another address, and tells what is different there.
func (s *steering) mirror(service, to string) error {
	old, fresh, err := s.both(service, to)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	compared, different := 0, 0
	m := &rollout.Mirror{Client: old, Shadow: fresh, Differ: differ, Report: func(c rollout.Comparison) {
		mu.Lock()
		defer mu.Unlock()
		if compared++; c.Differs != "" {
			different++
			s.say("%s: %s", c.Op, c.Differs)
		}
	}}
	s.end[service] = func() {
		s.back(service)
		_ = m.Close()
		s.say("%d copies of calls of %s were compared, of which %d differ", compared, service, different)
	}
	s.sw.Point(service, "mirror:"+to, m)
	s.say("%s gets copies of the calls of %s", to, service)
	return nil
}

// differ compares what people get to see. It says nothing of what they have written.
func differ(_ string, a, b rollout.Answer) string {
	if x, y := genai.KindOf(a.Err), genai.KindOf(b.Err); x != y {
		return fmt.Sprintf("%s instead of %s", orFine(y), orFine(x))
	}
	switch x := a.Value.(type) {
	case *genai.Verdict:
		y, ok := b.Value.(*genai.Verdict)
		if ok && (x.Flagged != y.Flagged || textOf(x.Redacted) != textOf(y.Redacted)) {
			return "another verdict"
		}
	case *contract.Passages:
		y, ok := b.Value.(*contract.Passages)
		if ok && (len(x.Passages) != len(y.Passages) || len(x.Passages) > 0 && x.Passages[0].Source != y.Passages[0].Source) {
			return "other passages"
		}
	}
	return ""
}

func orFine(kind genai.Kind) string {
	if kind == "" {
		return "an answer"
	}
	return string(kind)
}

func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// rollOut moves a service step by step.
func (s *steering) rollOut(ctx context.Context, service, to string, hold []string) error {
	r := &rollout.Rollout{Switch: s.sw, Service: service, To: to, Mirror: &rollout.Mirror{Differ: differ}, MinCalls: 10, Report: func(step rollout.Step) {
		where := fmt.Sprintf("%g %%", step.Percent)
		if step.Percent == 0 {
			where = "copies"
		}
		s.say("%s of the calls of %s: there %s, before %s", where, service, figures(step.New), figures(step.Old))
	}}
	if len(hold) == 1 {
		var err error
		if r.Hold, err = time.ParseDuration(hold[0]); err != nil || r.Hold <= 0 {
			return genai.Errorf(genai.InvalidRequest, "%q is no time, such as 10s", hold[0])
		}
	}
	if _, _, err := s.both(service, to); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	s.running.Go(func() { // ends with the last step, or when something else is ordered for the service
		defer close(over)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			s.say("%s", describe(err))
			return
		}
		s.say("%s is now at %s", service, s.sw.Where(service))
	})
	s.end[service] = func() {
		cancel()
		<-over
	}
	s.say("%s goes to %s step by step", service, to)
	return nil
}

func figures(s rollout.Stats) string {
	return fmt.Sprintf("%d calls, %d failed, nine in ten within %v", s.Calls, s.Failed, s.Slow.Round(10*time.Microsecond))
}
