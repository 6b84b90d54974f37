package transporttest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// A note is a message about which nothing matters.
type note struct {
	Text string `json:"text"`
}

var (
	ask  = transport.Op[*note, *note]{Name: "suite.ask"}
	tell = transport.Op[*note, *genai.Stream[note]]{Name: "suite.tell"}
)

type (
	notes = *genai.Stream[note]
	key   struct{}
)

func contexts() []promise {
	return []promise{
		{"C1", "the caller's deadline reaches the handler", []variant{
			{"value", func(e *env) { e.deadline(context.WithTimeout(e.Context(), time.Hour)) }},
			{"stream", func(e *env) { e.deadlineOfStream(context.WithTimeout(e.Context(), time.Hour)) }},
		}},
		{"C2", "without a deadline the handler has none", []variant{
			{"value", func(e *env) { e.deadline(context.WithCancel(e.Context())) }},
			{"stream", func(e *env) { e.deadlineOfStream(context.WithCancel(e.Context())) }},
		}},
		{"C3", "a context that has ended calls nobody", []variant{
			{"cancelled", func(e *env) {
				ctx, cancel := context.WithCancel(e.Context())
				cancel()
				e.deadContext(ctx, genai.Cancelled)
			}},
			{"expired", func(e *env) {
				ctx, cancel := context.WithDeadline(e.Context(), time.Unix(1, 0))
				defer cancel()
				e.deadContext(ctx, genai.DeadlineExceeded)
			}},
		}},
		{"C4", "values of the context stay with the caller", []variant{
			{"value", func(e *env) { e.hiddenValues() }},
			{"stream", func(e *env) { e.hiddenValuesOfStream() }},
		}},
		{"C5", "metadata travels", []variant{
			{"to the handler", metadataArrives},
			{"to a producer", metadataOfStream},
			{"on to the next service", metadataGoesOn},
			{"none", noMetadata},
			{"refused", refusedMetadata},
			{"the number of the attempt", attemptArrives},
			{"the priority", priorityArrives},
			{"back with a value", replyOfValue},
			{"back with an error", replyOfError},
			{"back at the end of a stream", func(e *env) { e.replyOfStream(nil) }},
			{"back with the error of a stream", func(e *env) { e.replyOfStream(genai.Errorf(genai.Overloaded, "enough")) }},
			{"back one call only", replyGoesBackOnce},
			{"back to nobody", replyToNobody},
			{"what was tried, with a value", func(e *env) { e.tried(nil) }},
			{"what was tried, with an error", func(e *env) { e.tried(genai.Errorf(genai.Overloaded, "enough")) }},
		}},
		{"C6", "traces and baggage travel", []variant{{"each", tracing}}},
	}
}

func (e *env) deadline(ctx context.Context, cancel context.CancelFunc) {
	defer cancel()
	call := place(e, ask, func(inner context.Context, _ *note) (*note, error) {
		e.sameDeadline(ctx, inner)
		return &note{}, nil
	})
	must[*note](e)(call(ctx, &note{}))
}

func (e *env) deadlineOfStream(ctx context.Context, cancel context.CancelFunc) {
	defer cancel()
	call := place(e, tell, func(outer context.Context, _ *note) (notes, error) {
		e.sameDeadline(ctx, outer)
		return genai.Open(outer, func(inner context.Context, yield func(note) bool) error {
			yield(note{})
			e.sameDeadline(ctx, inner)
			return nil
		})
	})
	e.read(must[notes](e)(call(ctx, &note{})), 1)
}

// sameDeadline allows for the time that a request needs, which on a wire is not known to either side.
func (e *env) sameDeadline(outer, inner context.Context) {
	want, some := outer.Deadline()
	got, ok := inner.Deadline()
	if ok != some {
		e.Errorf("the handler has a deadline: %v; the caller: %v", ok, some)
	}
	if apart := got.Sub(want).Abs(); apart > time.Minute {
		e.Errorf("the handler's deadline is %v away from the caller's", apart)
	}
}

func (e *env) deadContext(ctx context.Context, kind genai.Kind) {
	calls := make(chan *note, 10)
	link := e.link(func(s transport.Server) {
		ask.Serve(s, func(_ context.Context, req *note) (*note, error) {
			calls <- req
			return req, nil
		})
		tell.Serve(s, func(ctx context.Context, req *note) (notes, error) {
			calls <- req
			return once(ctx, note{})
		})
	})
	_, err := ask.Dial(link.Client)(ctx, &note{})
	e.refused(err, kind, "")
	_, err = tell.Dial(link.Client)(ctx, &note{})
	e.refused(err, kind, "")
	must[*note](e)(ask.Dial(link.Client)(e.Context(), &note{}))
	ran(e, calls, 1)
}

func (e *env) withValues() context.Context {
	ctx := &genai.Trail{Context: context.WithValue(e.Context(), key{}, "the caller's")}
	genai.TrailOf(ctx).Add(e)
	return genai.Listen(ctx, func(event genai.Event) {
		if event.Name == "suite" {
			e.Error("what the handler emits is heard by those who listen at the caller's")
		}
	})
}

func (e *env) noValues(ctx context.Context) {
	if v := ctx.Value(key{}); v != nil {
		e.Errorf("the handler sees the value %q", v)
	}
	if genai.TrailOf(ctx).Has(e) {
		e.Error("the handler sees the trail of the caller")
	}
	genai.Emit(ctx, genai.Event{Name: "suite"})
}

func (e *env) hiddenValues() {
	call := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		e.noValues(ctx)
		return req, nil
	})
	must[*note](e)(call(e.withValues(), &note{}))
}

func (e *env) hiddenValuesOfStream() {
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
			e.noValues(ctx)
			yield(note{})
			e.noValues(ctx)
			return nil
		})
	})
	e.read(must[notes](e)(call(e.withValues(), &note{})), 1)
}

// pairs returns metadata at the limits of what is allowed.
func pairs() map[string]string {
	return map[string]string{
		"tenant":          "acme",
		"a-b_c.d-0":       "x",
		"accept-language": "tlh",
		"empty":           "",
		"printable":       "!\"#$%&'()*+,-./0:;<=>?@A[\\]^_`a{|}~  ~",
		"long":            strings.Repeat("x", 4000),
		"traceparent":     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	}
}

func with(ctx context.Context, pairs map[string]string) context.Context {
	for name, value := range pairs {
		ctx = transport.WithMetadata(ctx, name, value)
	}
	return ctx
}

// carries checks that ctx has exactly the pairs.
func (e *env) carries(ctx context.Context, want map[string]string) {
	e.Helper()
	if got := transport.EnvelopeOf(ctx).Metadata; !maps.Equal(got, want) {
		e.Errorf("the handler got the metadata %q, want %q", got, want)
	}
	for name, value := range want {
		if got := transport.Metadata(ctx, name); got != value {
			e.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

func metadataArrives(e *env) {
	call := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		e.carries(ctx, pairs())
		return req, nil
	})
	must[*note](e)(call(with(e.Context(), pairs()), &note{}))
}

func metadataOfStream(e *env) {
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
			e.carries(ctx, pairs())
			yield(note{})
			return nil
		})
	})
	e.read(must[notes](e)(call(with(e.Context(), pairs()), &note{})), 1)
}

func metadataGoesOn(e *env) {
	last := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		e.carries(ctx, map[string]string{"tenant": "acme", "step": "2"})
		return req, nil
	})
	call := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		return last(transport.WithMetadata(ctx, "step", "2"), req)
	})
	must[*note](e)(call(with(e.Context(), map[string]string{"tenant": "acme", "step": "1"}), &note{}))
}

func noMetadata(e *env) {
	call := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		e.carries(ctx, nil)
		if n := genai.AttemptOf(ctx); n != 1 {
			e.Errorf("the attempt is %d, want 1", n)
		}
		return req, nil
	})
	must[*note](e)(call(e.Context(), &note{}))
}

func refusedMetadata(e *env) {
	calls := make(chan *note, 20)
	call := place(e, ask, func(_ context.Context, req *note) (*note, error) {
		calls <- req
		return req, nil
	})
	for name, value := range map[string]string{
		"": "x", "Upper": "x", "sp ace": "x", "dovetail-own": "x", "utf8": "ü", "line": "a\nb", "nul": "a\x00b", "padded": " a", "large": strings.Repeat("x", 8<<10),
	} {
		_, err := call(transport.WithMetadata(e.Context(), name, value), &note{})
		e.refused(err, genai.InvalidRequest, "metadata."+name)
	}
	ran(e, calls, 0)
}

func priorityArrives(e *env) {
	var got genai.Priority
	call := place(e, ask, func(ctx context.Context, n *note) (*note, error) {
		got = genai.PriorityOf(ctx)
		return n, nil
	})
	for _, want := range []genai.Priority{genai.Critical, genai.CriticalPlus, genai.SheddablePlus, genai.Sheddable} {
		must[*note](e)(call(genai.WithPriority(e.Context(), want), &note{}))
		if got != want {
			e.Errorf("the priority is %q, want %q", got, want)
		}
	}
}

func attemptArrives(e *env) {
	call := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		if n := genai.AttemptOf(ctx); n != 3 {
			e.Errorf("the attempt is %d, want 3", n)
		}
		return req, nil
	})
	must[*note](e)(call(genai.WithAttempt(e.Context(), 3), &note{}))
}

// reply sets pairs on the reply of a handler.
func (e *env) reply(ctx context.Context, pairs map[string]string) {
	e.Helper()
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		if err := transport.ReplyOf(ctx).Set(name, pairs[name]); err != nil {
			e.Errorf("the reply %s was refused: %v", name, err)
		}
	}
}

func (e *env) replied(reply *transport.Reply, want map[string]string) {
	e.Helper()
	if got := reply.All(); !maps.Equal(got, want) {
		e.Errorf("the caller got the reply %q, want %q", got, want)
	}
}

func replyOfValue(e *env) {
	call := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		e.reply(ctx, pairs())
		return req, nil
	})
	ctx, reply := transport.WithReply(e.Context())
	must[*note](e)(call(ctx, &note{}))
	e.replied(reply, pairs())
}

func replyOfError(e *env) {
	call := place(e, ask, func(ctx context.Context, _ *note) (*note, error) {
		e.reply(ctx, pairs())
		return nil, genai.Errorf(genai.Overloaded, "enough")
	})
	ctx, reply := transport.WithReply(e.Context())
	_, err := call(ctx, &note{})
	e.failed(err, genai.Overloaded)
	e.replied(reply, pairs())
}

func (e *env) replyOfStream(end error) {
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
			e.reply(ctx, map[string]string{"model": "small", "cost": "0"})
			yield(note{})
			e.reply(ctx, map[string]string{"cost": "12"})
			return end
		})
	})
	ctx, reply := transport.WithReply(e.Context())
	s := must[notes](e)(call(ctx, &note{}))
	defer s.Close()
	if got := reply.Get("model"); got != "small" {
		e.Errorf("with the first piece the reply was %q, want what was said before it", reply.All())
	}
	must[note](e)(s.Next())
	if _, err := s.Next(); end != nil {
		e.failed(err, genai.KindOf(end))
	}
	e.replied(reply, map[string]string{"model": "small", "cost": "12"})
}

func replyGoesBackOnce(e *env) {
	last := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		e.reply(ctx, map[string]string{"last": "1"})
		return req, nil
	})
	call := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		e.reply(ctx, map[string]string{"first": "1"})
		return last(ctx, req)
	})
	ctx, reply := transport.WithReply(e.Context())
	must[*note](e)(call(ctx, &note{}))
	e.replied(reply, map[string]string{"first": "1"})
}

// tried comes back from two services further in, with values, errors and streams, even if the service between does not care.
func (e *env) tried(end error) {
	first := genai.Attempt{Target: "é\"😀", Kind: genai.Timeout, Delay: time.Second, RetryAfter: time.Minute, Elapsed: 3, Tokens: 4}
	second := genai.Attempt{Target: "b", By: "retry"}
	last := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		genai.LedgerOf(ctx).Add(first)
		return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
			yield(note{})
			genai.LedgerOf(ctx).Add(second)
			return end
		})
	})
	call := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		s, err := last(ctx, req)
		if err != nil {
			return nil, err
		}
		for _, err := range s.All() {
			if err != nil {
				return nil, err
			}
		}
		return req, nil
	})
	ledger := &genai.Ledger{Context: e.Context()}
	ctx, reply := transport.WithReply(ledger)
	if _, err := call(ctx, &note{}); end != nil {
		e.failed(err, genai.KindOf(end))
	}
	e.replied(reply, nil)
	for _, got := range [][]genai.Attempt{reply.Attempts(), ledger.Attempts()} {
		if !slices.Equal(got, []genai.Attempt{first, second}) {
			e.Errorf("the caller got %+v", got)
		}
	}
}

func replyToNobody(e *env) {
	call := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		e.reply(ctx, map[string]string{"cost": "12"})
		return req, nil
	})
	must[*note](e)(call(e.Context(), &note{}))
}
