package observe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/observe"
)

const secret = "the launch code is 0451"

func ask() *genai.ChatRequest {
	return &genai.ChatRequest{Model: "gpt-5", Messages: []genai.Message{genai.User(secret)}}
}

// watched returns a recorder, and a policy that tells it everything.
func watched() (*recorder, *observe.Model) {
	r := &recorder{}
	return r, &observe.Model{Provider: "openai", Tracer: r, Meter: r}
}

// reply makes a handler that answers every request with resp.
func reply[Req, Resp any](resp Resp) genai.Handler[Req, Resp] {
	return func(context.Context, Req) (Resp, error) { return resp, nil }
}

// call calls a handler with req and gives up its types.
func call[Req, Resp any](h genai.Handler[Req, Resp], req Req) func(context.Context, genai.Policy) error {
	return func(ctx context.Context, p genai.Policy) error {
		_, err := genai.With(h, p)(ctx, req)
		return err
	}
}

func TestSpans(t *testing.T) {
	full := ask()
	full.Temperature, full.TopP, full.TopK, full.MaxTokens = new(0.0), new(0.5), new(40), new(100)
	full.FrequencyPenalty, full.PresencePenalty, full.Seed = new(0.25), new(-0.25), new(int64(7))
	full.Stop, full.Format, full.ServiceTier = []string{"END"}, &genai.Format{}, "flex"
	usage := &genai.Usage{Input: 10, Output: 5, CacheRead: 3, CacheWrite: 2, Reasoning: 1, LowerBound: true}

	tests := []struct {
		name  string
		model observe.Model
		call  func(context.Context, genai.Policy) error
		want  string
	}{
		{"nothing known", observe.Model{}, call(reply[*genai.ChatRequest](&genai.ChatResponse{}), &genai.ChatRequest{}),
			`chat [client] {gen_ai.operation.name=chat gen_ai.provider.name=unknown} Unset `},
		{"everything known", observe.Model{Provider: "openai", Address: "api.openai.com", Port: 443},
			call(reply[*genai.ChatRequest](&genai.ChatResponse{ID: "c1", Model: "gpt-5-x", Finish: genai.Finish{Reason: "stop", Raw: "end"}, Usage: usage}), full),
			`chat gpt-5 [client] {gen_ai.operation.name=chat gen_ai.output.type=json gen_ai.provider.name=openai ` +
				`gen_ai.request.frequency_penalty=0.25 gen_ai.request.max_tokens=100 gen_ai.request.model=gpt-5 ` +
				`gen_ai.request.presence_penalty=-0.25 gen_ai.request.seed=7 gen_ai.request.stop_sequences=["END"] gen_ai.request.temperature=0 ` +
				`gen_ai.request.top_k=40 gen_ai.request.top_p=0.5 ` +
				`gen_ai.response.finish_reasons=["stop"] gen_ai.response.id=c1 gen_ai.response.model=gpt-5-x ` +
				`dovetail.usage.lower_bound=true gen_ai.usage.cache_creation.input_tokens=2 gen_ai.usage.cache_read.input_tokens=3 gen_ai.usage.input_tokens=10 ` +
				`gen_ai.usage.output_tokens=5 gen_ai.usage.reasoning.output_tokens=1 openai.request.service_tier=flex ` +
				`server.address=api.openai.com server.port=443} Unset `},
		{"own names", observe.Model{Provider: "gcp.gemini", Operation: "generate_content", Name: "flash", Local: true},
			call(reply[*genai.ChatRequest](&genai.ChatResponse{Finish: genai.Finish{Reason: "other", Raw: "SPII"}}), &genai.ChatRequest{ServiceTier: "x"}),
			`generate_content flash [internal] {gen_ai.operation.name=generate_content gen_ai.provider.name=gcp.gemini gen_ai.request.model=flash ` +
				`gen_ai.response.finish_reasons=["SPII"]} Unset `},
		{"embeddings", observe.Model{}, call(genaitest.Embed, &genai.EmbedRequest{Model: "e", Input: []string{"a b"}, Dimensions: new(8)}),
			`embeddings e [client] {gen_ai.embeddings.dimension.count=8 gen_ai.operation.name=embeddings gen_ai.provider.name=unknown gen_ai.request.model=e ` +
				`gen_ai.response.model=e gen_ai.usage.input_tokens=2} Unset `},
		{"images", observe.Model{}, call(reply[*genai.ImageRequest](&genai.Images{Model: "i2", Usage: &genai.Usage{}}), &genai.ImageRequest{Model: "i", Prompt: secret, N: new(2)}),
			`generate_image i [client] {gen_ai.operation.name=generate_image gen_ai.output.type=image gen_ai.provider.name=unknown gen_ai.request.choice.count=2 ` +
				`gen_ai.request.model=i gen_ai.response.model=i2 gen_ai.usage.input_tokens=0 gen_ai.usage.output_tokens=0} Unset `},
		{"one image", observe.Model{}, call(reply[*genai.ImageRequest](&genai.Images{}), &genai.ImageRequest{N: new(1)}),
			`generate_image [client] {gen_ai.operation.name=generate_image gen_ai.output.type=image gen_ai.provider.name=unknown} Unset `},
		{"transcription", observe.Model{}, call(reply[*genai.TranscribeRequest](&genai.Transcript{Text: secret, Usage: &genai.Usage{Input: 1, Output: 2}}), &genai.TranscribeRequest{}),
			`transcribe [client] {gen_ai.operation.name=transcribe gen_ai.output.type=text gen_ai.provider.name=unknown gen_ai.usage.input_tokens=1 gen_ai.usage.output_tokens=2} Unset `},
		{"moderation", observe.Model{}, call(reply[*genai.ModerationRequest](&genai.Verdict{Reason: secret}), &genai.ModerationRequest{Text: secret}),
			`moderate [client] {gen_ai.operation.name=moderate gen_ai.provider.name=unknown} Unset `},
		{"ranking", observe.Model{}, call(reply[*genai.RerankRequest](&genai.Ranking{Model: "r", Usage: &genai.Usage{Input: 4}}), &genai.RerankRequest{Query: secret}),
			`rerank [client] {gen_ai.operation.name=rerank gen_ai.provider.name=unknown gen_ai.response.model=r gen_ai.usage.input_tokens=4} Unset `},
		{"something else", observe.Model{}, call(reply[string](1), "x"), ``},
		{"no request", observe.Model{}, call(reply[*genai.ChatRequest](&genai.ChatResponse{}), nil), ``},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := &recorder{}
			test.model.Tracer = r
			if err := test.call(t.Context(), &test.model); err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, s := range r.spans {
				got += s.String()
				if s.ends != 1 {
					t.Errorf("ended %d times", s.ends)
				}
			}
			// Attributes are sorted by their text, which the test cannot be expected to do by hand.
			if !reflect.DeepEqual(words(got), words(test.want)) {
				t.Errorf("\ngot  %s\nwant %s", got, test.want)
			}
			if len(r.records) != 0 {
				t.Errorf("measured %v without a meter", r.records)
			}
		})
	}
}

func words(text string) []string {
	w := strings.Fields(strings.NewReplacer("{", " ", "}", " ").Replace(text))
	slices.Sort(w)
	return w
}

func TestStartAttributes(t *testing.T) {
	r := &recorder{}
	m := &observe.Model{Provider: "openai", Address: "localhost", Port: 80, Tracer: r}
	if _, err := genai.With(genaitest.Script(genaitest.Reply("a")).Complete, m)(t.Context(), ask()); err != nil {
		t.Fatal(err)
	}
	const want = "gen_ai.operation.name=chat gen_ai.provider.name=openai gen_ai.request.model=gpt-5 server.address=localhost server.port=80"
	if got := join(r.spans[0].start); got != want {
		t.Errorf("a sampler sees %s", got)
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		err    error
		kind   string
		status codes.Code
		text   string
		attrs  string
	}{
		{genai.Overloaded, "overloaded", codes.Error, "overloaded", ""},
		{&genai.Error{
			Kind: genai.RateLimited, Target: "eu", Message: secret, Err: errors.New(secret), Status: 429, Code: "tpm", RequestID: "r1",
			Reason: "busy", Field: "model", RetryAfter: time.Second, Attempts: make([]genai.Attempt, 3),
		}, "rate_limited", codes.Error, "rate_limited: target eu, reason busy, field model, code tpm, request r1, status 429, retry after 1s",
			"dovetail.attempts=3 error.type=rate_limited http.response.status_code=429"},
		{fmt.Errorf("%s: %w", secret, genai.Errorf(genai.Malformed, secret)), "malformed", codes.Error, "malformed", ""},
		{errors.New(secret), "unknown", codes.Error, "unknown", ""},
		{typed{}, "typed", codes.Error, "typed", ""},
		{context.DeadlineExceeded, "deadline_exceeded", codes.Error, "deadline_exceeded", ""},
		{context.Canceled, "cancelled", codes.Unset, "", "error.type=cancelled"},
	}
	for _, test := range tests {
		r, m := watched()
		h := genai.With(func(context.Context, *genai.ChatRequest) (*genai.ChatResponse, error) { return nil, test.err }, m, &observe.Call{Tracer: r})
		resp, err := h(t.Context(), ask())
		if resp != nil || err != test.err {
			t.Errorf("%v: returned %v, %v", test.err, resp, err)
		}
		for _, s := range r.spans {
			if s.get("error.type") != test.kind || s.status != test.status || s.text != test.text || s.ends != 1 {
				t.Errorf("%v: %s", test.err, s)
			}
			for a := range strings.FieldsSeq(test.attrs) {
				if !strings.Contains(join(s.attrs), a) {
					t.Errorf("%v: no %s in %s", test.err, a, s)
				}
			}
		}
		if got := r.measured("gen_ai.client.operation.duration"); len(got) != 1 || !strings.Contains(got[0], "error.type="+test.kind) {
			t.Errorf("%v: %v", test.err, got)
		}
		if strings.Contains(r.all(), secret) {
			t.Errorf("the text of an error was recorded:\n%s", r.all())
		}
	}
}

type typed struct{}

func (typed) Error() string     { return secret }
func (typed) ErrorType() string { return "typed" }

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, m := watched()
		model := genaitest.Script(genaitest.Pieces("a", "b", "c").After(2*time.Second).Every(time.Second).Usage(7, 3))
		s, err := genai.With(model.Chat, m)(t.Context(), ask())
		if err != nil {
			t.Fatal(err)
		}
		span := r.spans[0]
		if span.ends != 0 || len(r.records) != 0 {
			t.Errorf("it is over before it is: %s", r.all())
		}
		time.Sleep(500 * time.Millisecond) // the consumer may be slow: the first piece came when the handler returned
		for _, err := range s.All() {
			if err != nil {
				t.Fatal(err)
			}
		}
		const want = `chat gpt-5 [client] {gen_ai.operation.name=chat gen_ai.provider.name=openai gen_ai.request.model=gpt-5 gen_ai.request.stream=true ` +
			`gen_ai.response.finish_reasons=["stop"] gen_ai.response.id=scripted-1 gen_ai.response.model=gpt-5 gen_ai.response.time_to_first_chunk=2 ` +
			`gen_ai.usage.input_tokens=7 gen_ai.usage.output_tokens=3} Unset `
		if span.String() != want || span.ends != 1 || span.took != 4*time.Second {
			t.Errorf("ended %d times, took %v\ngot  %s\nwant %s", span.ends, span.took, span, want)
		}
		const common = "gen_ai.operation.name=chat gen_ai.provider.name=openai gen_ai.request.model=gpt-5 gen_ai.response.model=gpt-5"
		for name, want := range map[string][]string{
			"gen_ai.client.operation.duration":              {"4 {" + common + "}"},
			"gen_ai.client.operation.time_to_first_chunk":   {"2 {" + common + "}"},
			"gen_ai.client.operation.time_per_output_chunk": {"1 {" + common + "}", "1 {" + common + "}"},
			"gen_ai.client.token.usage":                     {"7 {" + common + " gen_ai.token.type=input}", "3 {" + common + " gen_ai.token.type=output}"},
		} {
			if got := r.measured(name); !reflect.DeepEqual(got, want) {
				t.Errorf("%s\ngot  %v\nwant %v", name, got, want)
			}
		}
	})
}

func TestStreamEnds(t *testing.T) {
	tests := []struct {
		name   string
		step   genaitest.Step
		use    func(s *genai.Stream[genai.ChatEvent], cancel func())
		kind   string
		status codes.Code
	}{
		{"cut", genaitest.Pieces("a", "b").Then(genai.Truncated), func(s *genai.Stream[genai.ChatEvent], _ func()) {
			for range s.All() {
			}
		}, "truncated", codes.Error},
		{"closed", genaitest.Pieces("a", "b"), func(s *genai.Stream[genai.ChatEvent], _ func()) { s.Close() }, "cancelled", codes.Unset},
		{"cancelled", genaitest.Pieces("a").ThenHang(), func(_ *genai.Stream[genai.ChatEvent], cancel func()) { cancel() }, "cancelled", codes.Unset},
		{"out of time", genaitest.Pieces("a").ThenHang(), func(*genai.Stream[genai.ChatEvent], func()) { time.Sleep(time.Hour) }, "deadline_exceeded", codes.Error},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, m := watched()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				chat := genai.With(genaitest.Script(test.step).Chat, &observe.Call{Name: "desk", Tracer: r}, m)
				s, err := chat(ctx, ask())
				if err != nil {
					t.Fatal(err)
				}
				test.use(s, cancel)
				synctest.Wait()
				for _, span := range r.spans {
					if span.ends != 1 || span.get("error.type") != test.kind || span.status != test.status {
						t.Errorf("%d %s", span.ends, span)
					}
				}
				got := r.measured("gen_ai.client.operation.duration")
				if len(got) != 1 || !strings.Contains(got[0], "error.type="+test.kind) {
					t.Errorf("%v", got)
				}
			})
		})
	}
}

// The consumer owns the pieces that it gets, so what it does to them must not show.
func TestPiecesBelongToTheConsumer(t *testing.T) {
	r, m := watched()
	s, err := genai.With(genaitest.Script(genaitest.Reply("a").Usage(1, 0)).Chat, m)(t.Context(), ask())
	if err != nil {
		t.Fatal(err)
	}
	for e := range s.All() {
		if e.Usage != nil {
			e.Usage.Input = 1000
		}
	}
	if got := r.measured("gen_ai.client.token.usage"); len(got) != 2 || got[0][:3] != "1 {" || got[1][:3] != "0 {" {
		t.Errorf("%v", got)
	}
}

func TestModelsTakeTurns(t *testing.T) {
	r, m := watched()
	embed := genai.With(genaitest.Embed, m)
	for _, model := range []string{"a", "a", "b", "a"} {
		if _, err := embed(t.Context(), &genai.EmbedRequest{Model: model, Input: []string{"x"}}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, s := range r.spans {
		names = append(names, s.name+"/"+s.get("gen_ai.request.model"))
	}
	if want := []string{"embeddings a/a", "embeddings a/a", "embeddings b/b", "embeddings a/a"}; !reflect.DeepEqual(names, want) {
		t.Errorf("%q", names)
	}
	if got := r.measured("gen_ai.client.token.usage"); len(got) != 4 || !strings.Contains(got[2], "request.model=b") {
		t.Errorf("%v", got)
	}
}

func TestSpeech(t *testing.T) {
	r, m := watched()
	speak := func(ctx context.Context, _ *genai.SpeechRequest) (*genai.Stream[genai.SpeechChunk], error) {
		return genai.Open(ctx, func(_ context.Context, yield func(genai.SpeechChunk) bool) error {
			yield(genai.SpeechChunk{})
			yield(genai.SpeechChunk{Audio: genai.NewBlob("audio/mpeg", []byte("a"))})
			yield(genai.SpeechChunk{Audio: genai.NewBlob("audio/mpeg", []byte("b"))})
			yield(genai.SpeechChunk{Usage: &genai.Usage{Input: 1, Output: 2}})
			return nil
		})
	}
	s, err := genai.With(speak, m)(t.Context(), &genai.SpeechRequest{Model: "tts", Text: secret})
	if err != nil {
		t.Fatal(err)
	}
	for range s.All() {
	}
	span := r.spans[0]
	if span.name != "generate_speech tts" || span.get("gen_ai.output.type") != "speech" || span.get("gen_ai.usage.output_tokens") != "2" || span.ends != 1 {
		t.Error(span)
	}
	if n := len(r.measured("gen_ai.client.operation.time_per_output_chunk")); n != 1 {
		t.Errorf("%d chunks after the first", n)
	}
}

func TestInstruments(t *testing.T) {
	r, m := watched()
	m.Wrap(genai.Erase(genaitest.Embed))
	seconds := []float64{.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	want := map[string]instrument{
		"gen_ai.client.operation.duration":              {"s", seconds},
		"gen_ai.client.operation.time_to_first_chunk":   {"s", seconds},
		"gen_ai.client.operation.time_per_output_chunk": {"s", seconds},
		"gen_ai.client.token.usage": {"{token}", []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576,
			4194304, 16777216, 67108864}},
	}
	if !reflect.DeepEqual(r.made, want) {
		t.Errorf("%v", r.made)
	}
}

// Nothing that is said to or by a model may be recorded.
func TestNothingIsQuoted(t *testing.T) {
	r, m := watched()
	req := ask()
	req.Messages = append(req.Messages, genai.System(secret), genai.Message{Role: genai.RoleTool, Name: secret, Parts: []genai.Part{
		{ToolResult: &genai.ToolResult{CallID: secret, Name: secret, Parts: []genai.Part{{Text: secret}}}},
		{File: &genai.File{Name: secret}}, {Image: new(genai.BlobURL("image/png", "http://"+secret, secret))}, {Opaque: &genai.Opaque{Data: secret}},
	}})
	req.Tools = []genai.Tool{{Name: secret, Description: secret}}
	req.EndUser, req.CacheKey, req.Metadata = secret, secret, map[string]string{secret: secret}
	model := genaitest.Script(
		genaitest.Events(genai.ChatEvent{Text: secret}, genai.ChatEvent{Refusal: secret}, genai.ChatEvent{Reasoning: secret},
			genai.ChatEvent{ToolCall: &genai.ToolCallDelta{ID: secret, Name: secret, Arguments: secret}}, genai.ChatEvent{Opaque: &genai.Opaque{Data: secret}}).Usage(1, 1).Times(2),
		genaitest.Fail(&genai.Error{Kind: genai.InvalidRequest, Message: secret, Err: errors.New(secret)}),
		genaitest.Reply(secret).Then(&genai.Error{Kind: genai.ServerError, Message: secret}),
	)
	complete := genai.With(model.Complete, &observe.Call{Name: "desk", Tracer: r}, m)
	chat := genai.Whole(genai.With(model.Chat, &observe.Call{Name: "desk", Tracer: r}, m))
	_, _ = complete(t.Context(), req)
	for range 3 {
		_, _ = chat(t.Context(), req)
	}
	model.Verify(t)
	_, _ = genai.With(genaitest.Embed, m)(t.Context(), &genai.EmbedRequest{Input: []string{secret}, Task: secret, EndUser: secret})
	if len(r.spans) != 9 {
		t.Fatalf("%d spans", len(r.spans))
	}
	for _, word := range []string{secret, "launch", "0451"} {
		if strings.Contains(r.all(), word) {
			t.Errorf("%q is in\n%s", word, r.all())
		}
	}
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, m := watched()
		chat := func(ctx context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
			genai.Emit(ctx, genai.Event{Name: "call", Op: "desk.answer", Elapsed: time.Second})
			return &genai.ChatResponse{}, nil
		}
		retried := func(ctx context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
			genai.Emit(ctx, genai.Event{Name: "retry", Target: "eu", Kind: genai.RateLimited, Attempt: 2, Delay: 250 * time.Millisecond})
			genai.Emit(ctx, genai.Event{Name: "breaker", From: "closed", To: "open"})
			return genai.With(chat, m)(genai.WithAttempt(ctx, 2), req)
		}
		if _, err := genai.With(retried, &observe.Call{Name: "desk", Tracer: r})(t.Context(), ask()); err != nil {
			t.Fatal(err)
		}
		outer, inner := r.spans[0], r.spans[1]
		call := "dovetail.call {dovetail.elapsed=1 dovetail.op=desk.answer}"
		want := []string{
			"dovetail.retry {dovetail.attempt=2 dovetail.delay=0.25 dovetail.target=eu error.type=rate_limited}",
			"dovetail.breaker {dovetail.from=closed dovetail.to=open}",
			call,
		}
		if !reflect.DeepEqual(outer.events, want) || !reflect.DeepEqual(inner.events, []string{call}) {
			t.Errorf("outer %v\ninner %v", outer.events, inner.events)
		}
		if outer.name != "invoke_workflow desk" || outer.kind != trace.SpanKindInternal || outer.get("gen_ai.workflow.name") != "desk" {
			t.Error(outer)
		}
		if inner.parent.SpanID() != outer.context.SpanID() || inner.context.TraceID() != outer.context.TraceID() || inner.get("dovetail.attempt") != "2" {
			t.Error(inner)
		}
	})
}

func TestPanicEndsSpans(t *testing.T) {
	for _, broken := range []func(){func() { panic(secret) }, runtime.Goexit} {
		r, m := watched()
		h := genai.With(func(context.Context, *genai.ChatRequest) (*genai.ChatResponse, error) {
			broken()
			return nil, nil
		}, &observe.Call{Tracer: r}, m)
		done := make(chan any)
		go func() { // ends with the handler, which never returns
			defer func() { done <- recover() }()
			_, _ = h(context.Background(), ask())
		}()
		<-done
		if len(r.spans) != 2 || len(r.records) != 1 {
			t.Errorf("%s", r.all())
		}
		for _, s := range r.spans {
			if s.ends != 1 || s.get("error.type") != "internal" {
				t.Errorf("%d %s", s.ends, s)
			}
		}
	}
}

func TestUnsampled(t *testing.T) {
	r, m := watched()
	r.dropped = true
	chat := genai.Whole(genai.With(genaitest.Script(genaitest.Pieces("a", "b").Usage(1, 2).Always()).Chat, &observe.Call{Tracer: r}, m))
	if _, err := chat(t.Context(), ask()); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.spans {
		if len(s.attrs) != len(s.start) || len(s.events) != 0 || s.ends != 1 {
			t.Error(s)
		}
	}
	if len(r.records) != 5 {
		t.Errorf("metrics do not depend on sampling: %v", r.records)
	}
	r.off = true
	if _, err := chat(t.Context(), ask()); err != nil {
		t.Fatal(err)
	}
	if len(r.records) != 5 {
		t.Errorf("measured although nobody wants to know: %v", r.records)
	}
}

// Whoever reads the stream, whoever closes it and whoever reports on it may be three goroutines.
func TestConcurrentEnd(t *testing.T) {
	for range 50 {
		r, m := watched()
		ctx, cancel := context.WithCancel(t.Context())
		s, err := genai.With(genaitest.Script(genaitest.Pieces(strings.Split(strings.Repeat("a", 100), "")...).Usage(1, 1)).Chat, m)(ctx, ask())
		if err != nil {
			t.Fatal(err)
		}
		over := make(chan struct{})
		genai.Finally(s, nil, func(error) { close(over) })
		go cancel() // ends at once
		go s.Close()
		for {
			if _, err := s.Next(); err == io.EOF || err != nil {
				break
			}
		}
		<-over
		r.mu.Lock()
		if r.spans[0].ends != 1 {
			t.Errorf("ended %d times", r.spans[0].ends)
		}
		r.mu.Unlock()
		cancel()
	}
}

func nobody() map[string][]genai.Policy {
	tracer, meter := noop.NewTracerProvider(), metricnoop.NewMeterProvider()
	return map[string][]genai.Policy{
		"nil":  {&observe.Call{Name: "desk"}, &observe.Model{}},
		"noop": {&observe.Call{Name: "desk", Tracer: tracer}, &observe.Model{Tracer: tracer, Meter: meter}},
		"off":  {&observe.Model{Meter: &recorder{off: true}}},
	}
}

func TestNobodyAllocates(t *testing.T) {
	resp, req := &genai.ChatResponse{}, ask()
	for name, policies := range nobody() {
		h := genai.With(func(context.Context, *genai.ChatRequest) (*genai.ChatResponse, error) { return resp, nil }, policies...)
		if n := testing.AllocsPerRun(100, func() { _, _ = h(t.Context(), req) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkModel(b *testing.B) {
	resp, req := &genai.ChatResponse{Model: "gpt-5", Usage: &genai.Usage{Input: 1, Output: 2}}, ask()
	plain := func(context.Context, *genai.ChatRequest) (*genai.ChatResponse, error) { return resp, nil }
	run := func(name string, policies ...genai.Policy) {
		h := genai.With(plain, policies...)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := b.Context()
			for b.Loop() {
				if _, err := h(ctx, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("none")
	for name, policies := range nobody() {
		run(name, policies...)
	}
	run("global", &observe.Model{Tracer: otel.GetTracerProvider(), Meter: otel.GetMeterProvider()}) // without an SDK
	run("dropped", &observe.Model{Tracer: fixed{span: &span{r: &recorder{dropped: true}}}})
	run("recorded", &observe.Model{Tracer: fixed{span: &quiet{}}})
}

func BenchmarkPiece(b *testing.B) {
	for name, m := range map[string]*observe.Model{
		"none": {}, "recorded": {Tracer: fixed{span: &quiet{}}}, "measured": {Meter: idle{}},
	} {
		b.Run(name, func(b *testing.B) {
			chat := func(ctx context.Context, _ *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
				return genai.NewStream(ctx, func() (genai.ChatEvent, error) { return genai.ChatEvent{Text: "x"}, nil }, nil)
			}
			s, err := genai.With(chat, m)(b.Context(), ask())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
