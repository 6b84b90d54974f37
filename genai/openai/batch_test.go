package openai_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/job"
	"github.com/dovetail-go/dovetail/genai/openai"
)

var batch1 = &job.Ref{ID: "batch_1"}

func bundle(keys ...string) *job.Bundle[*genai.ChatRequest] {
	b := &job.Bundle[*genai.ChatRequest]{Requests: map[string]*genai.ChatRequest{}}
	for _, key := range keys {
		b.Requests[key] = &genai.ChatRequest{Messages: []genai.Message{genai.User("What about " + key + "?")}}
	}
	return b
}

// told reads outcomes to their end: one word for each, and how they ended.
func told[T any](s *genai.Stream[job.Outcome[T]], err error) (words []string, _ error) {
	if err != nil {
		return nil, err
	}
	for o, err := range s.All() {
		if err != nil {
			return words, err
		}
		word := o.Key
		switch v := any(o.Value).(type) {
		case *genai.ChatResponse:
			if o.Err == nil {
				word += "=" + v.Text()
			}
		case *genai.Embeddings:
			if o.Err == nil {
				word += fmt.Sprint("=", v.Vectors)
			}
		}
		if o.Err != nil {
			word += "!" + string(o.Err.Kind)
		}
		words = append(words, word)
	}
	return words, nil
}

// TestBatch: requests are written as single ones are, progress is told, and answers find their requests.
func TestBatch(t *testing.T) {
	leakCheck(t)
	d := newDesk(t)
	d.steps = []func(map[string]any){
		is("in_progress", 0, 0, 3), is("in_progress", 1, 1, 3), is("finalizing", 2, 1, 3),
		d.ends("completed", 2, 1, 3, answered("c", "see")+answered("a", "ay"), refused("b", 400, `{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}`)),
	}
	c := d.client()
	c.HTTP.Transport.(*http.Transport).DisableKeepAlives = true
	batches := c.ChatBatch()
	batches.Every = time.Millisecond
	b := bundle("a", "b", "c")
	b.Requests["a"].MaxTokens = new(int)
	b.Metadata = map[string]string{"job": "nightly"}
	status, err := batches.Submit(t.Context(), b)
	if err != nil || status.ID != "batch_1" || status.State != job.Queued || status.Created.Unix() != 1711471533 || status.Expires.Unix() != 1711557933 {
		t.Fatalf("%+v, %v", status, err)
	}
	lines := d.lines(t)
	if len(lines) != 3 || lines[1]["custom_id"] != "b" || lines[0]["method"] != "POST" || lines[0]["url"] != "/v1/chat/completions" {
		t.Errorf("lines are %v", lines)
	}
	direct := serve(t, fixed(200, "application/json", "{}"))
	_, _ = direct.client().Complete(t.Context(), b.Requests["a"])
	if got, want := fmt.Sprint(lines[0]["body"]), fmt.Sprint(direct.body); got != want {
		t.Errorf("the body is %s, and %s where it is sent at once", got, want)
	}
	if f := d.forms[0]; f["purpose"] != "batch" || f["filename"] != "batch.jsonl" || f["length"] == "-1" {
		t.Errorf("the form is %v", f)
	}
	if got := fmt.Sprint(d.created); got != "map[completion_window:24h endpoint:/v1/chat/completions input_file_id:file-1 metadata:map[job:nightly]]" {
		t.Error(got)
	}

	progress, err := batches.Wait(t.Context(), status.Ref())
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for s, err := range progress.All() {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, fmt.Sprintf("%s %d+%d/%d", s.Raw, s.Done, s.Failed, s.Total))
	}
	if want := []string{"in_progress 0+0/3", "in_progress 1+1/3", "finalizing 2+1/3", "completed 2+1/3"}; !slices.Equal(seen, want) {
		t.Errorf("saw %q", seen)
	}
	// Another process has nothing but the ID.
	words, err := told(d.client().ChatBatch().Result(t.Context(), batch1))
	if err != nil || !slices.Equal(words, []string{"c=see", "a=ay", "b!context_length"}) {
		t.Errorf("%q, %v", words, err)
	}
}

// TestBatchOutcomes: every way in which a batch and its requests can end.
func TestBatchOutcomes(t *testing.T) {
	ok := answered("a", "ay")
	cases := []struct {
		name        string
		step        func(d *desk) func(map[string]any)
		want        string
		kind        genai.Kind // how the outcomes end
		code, field string
	}{
		{"errors by the same table", func(d *desk) func(map[string]any) {
			return d.ends("completed", 1, 4, 5, ok, refused("b", 429, `{"message":"","type":"tokens","code":"rate_limit_exceeded"}`)+
				refused("c", 500, `{"message":"The server had an error","type":"server_error","code":null}`)+
				refused("d", 0, `null`)+skipped("e", "request_timeout"))
		}, "a=ay b!rate_limited c!server_error d!server_error e!timeout", "", "", ""},
		{"expired", func(d *desk) func(map[string]any) {
			return d.ends("expired", 1, 0, 2, ok, skipped("b", "batch_expired"))
		}, "a=ay b!timeout", "", "", ""},
		{"expired without a word about the rest", func(d *desk) func(map[string]any) { return d.ends("expired", 1, 0, 2, ok, "") }, "a=ay", genai.Timeout, "", ""},
		{"cancelled", func(d *desk) func(map[string]any) {
			return d.ends("cancelled", 1, 1, 2, ok, skipped("b", "batch_cancelled"))
		}, "a=ay b!cancelled", "", "", ""},
		{"cancelled before anything", func(d *desk) func(map[string]any) { return d.ends("cancelled", 0, 0, 2, "", "") }, "", genai.Cancelled, "", ""},
		{"all failed", func(d *desk) func(map[string]any) {
			return d.ends("completed", 0, 1, 1, "", refused("a", 401, `{"message":"","code":"invalid_api_key"}`))
		}, "a!unauthenticated", "", "", ""},
		{"a code of tomorrow", func(d *desk) func(map[string]any) { return d.ends("completed", 0, 1, 1, "", skipped("a", "moonphase")) }, "a!server_error", "", "", ""},
		{"an answer without contents", func(d *desk) func(map[string]any) {
			return d.ends("completed", 1, 0, 1, `{"custom_id":"a","response":{"status_code":200,"body":{"choices":[]}},"error":null}`, "")
		}, "a!empty_response", "", "", ""},
		{"an answer that is none", func(d *desk) func(map[string]any) {
			return d.ends("completed", 1, 0, 1, `{"custom_id":"a","response":{"status_code":200,"body":7},"error":null}`, "")
		}, "a!malformed", "", "", ""},
		{"neither answer nor error", func(d *desk) func(map[string]any) {
			return d.ends("completed", 1, 0, 1, `{"custom_id":"a","response":null,"error":null}`, "")
		}, "a!server_error", "", "", ""},
		{"no line end at the end, and empty lines", func(d *desk) func(map[string]any) {
			return d.ends("completed", 1, 0, 1, "\r\n"+strings.TrimSpace(ok), "")
		}, "a=ay", "", "", ""},
		{"not a line", func(d *desk) func(map[string]any) { return d.ends("completed", 2, 0, 2, ok+"<html>\n"+ok, "") }, "a=ay", genai.Malformed, "", ""},
		{"a line without a key", func(d *desk) func(map[string]any) { return d.ends("completed", 2, 0, 2, ok+"{}\n", "") }, "a=ay", genai.Malformed, "", ""},
		{"lines that are missing", func(d *desk) func(map[string]any) { return d.ends("completed", 2, 0, 2, ok, "") }, "a=ay", genai.Truncated, "", ""},
		{"a count that does not add up", func(d *desk) func(map[string]any) { return d.ends("completed", 1, 0, 2, ok, "") }, "a=ay", genai.Truncated, "", ""},
		{"no line at all", func(d *desk) func(map[string]any) { return d.ends("completed", 0, 0, 0, "", "") }, "", genai.Empty, "", ""},
		{"a file that is gone", func(d *desk) func(map[string]any) {
			return func(b map[string]any) { is("completed", 1, 0, 1)(b); b["output_file_id"] = "file-none" }
		}, "", genai.NotFound, "invalid_request_error", "id"},
		{"not over", func(d *desk) func(map[string]any) { return is("in_progress", 0, 0, 1) }, "", genai.Precondition, "in_progress", ""},
		{"failed", func(d *desk) func(map[string]any) {
			return func(b map[string]any) {
				b["status"] = "failed"
				b["errors"] = map[string]any{"object": "list", "data": []any{
					map[string]any{"code": "invalid_json_line", "message": "This line is not parseable as valid JSON.", "line": 1, "param": "body"}, map[string]any{}}}
			}
		}, "", genai.InvalidRequest, "invalid_json_line", "body"},
		{"failed for want of room", func(d *desk) func(map[string]any) {
			return func(b map[string]any) {
				b["status"] = "failed"
				b["errors"] = map[string]any{"data": []any{map[string]any{"code": "token_limit_exceeded", "message": "Enqueued token limit reached", "line": nil}}}
			}
		}, "", genai.RateLimited, "token_limit_exceeded", ""},
		{"failed without a word", func(d *desk) func(map[string]any) { return is("FAILED", 0, 0, 1) }, "", genai.ServerError, "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			leakCheck(t)
			d := newDesk(t)
			d.batch = map[string]any{"id": "batch_1"}
			d.steps = []func(map[string]any){c.step(d)}
			words, err := told(d.client().ChatBatch().Result(t.Context(), batch1))
			if got := strings.Join(words, " "); got != c.want || genai.KindOf(err) != c.kind {
				t.Errorf("got %q, %v; want %q and %s", got, err, c.want, c.kind)
			}
			if err != nil {
				if e := genai.AsError(err); e.Code != c.code || e.Field != c.field {
					t.Errorf("says %+v", e)
				}
			}
		})
	}
}

// TestBatchCut: wherever the file breaks off, all outcomes before are there, and the end is an error.
func TestBatchCut(t *testing.T) {
	var output strings.Builder
	var ends []int // where each line ends
	for i := range 5 {
		output.WriteString(answered(fmt.Sprint("k", i), "text"))
		ends = append(ends, output.Len())
	}
	d := newDesk(t)
	d.batch = map[string]any{"id": "batch_1"}
	d.steps = []func(map[string]any){d.ends("completed", 5, 0, 5, output.String(), "")}
	c := d.client()
	for at := 0; at < output.Len(); at += 37 {
		d.cut["file-out"] = at
		words, err := told(c.ChatBatch().Result(t.Context(), batch1))
		whole := 0
		for _, end := range ends {
			if end <= at {
				whole++
			}
		}
		if len(words) != whole || !errors.Is(err, genai.Truncated) {
			t.Fatalf("cut at %d: %q, %v; want %d outcomes and Truncated", at, words, err, whole)
		}
	}
}

// TestBatchPolling: a server that says when to come again is heeded, on the minute.
func TestBatchPolling(t *testing.T) {
	d := newDesk(t)
	synctest.Test(t, func(t *testing.T) {
		d.batch = map[string]any{"id": "batch_1", "status": "in_progress"}
		d.steps = []func(map[string]any){is("in_progress", 0, 0, 1), d.ends("completed", 1, 0, 1, answered("a", "ay"), "")}
		busy := func(status int, header, value string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set(header, value)
				d.fail(w, status, `{"message":"later","type":"server_error","code":null}`)
			}
		}
		d.refuse = []http.HandlerFunc{nil, busy(429, "Retry-After", "600"), busy(503, "Retry-After-Ms", "120000"), busy(502, "X", "")}
		var events []genai.Event
		ctx := genai.Listen(t.Context(), func(e genai.Event) { events = append(events, e) })
		c := d.client()
		c.HTTP = d.within()
		batches := c.ChatBatch()
		batches.Every = time.Second
		progress, err := batches.Wait(ctx, batch1)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range progress.All() {
			if err != nil {
				t.Fatal(err)
			}
		}
		want := []struct {
			kind genai.Kind
			wait time.Duration
		}{{genai.RateLimited, 10 * time.Minute}, {genai.Overloaded, 2 * time.Minute}, {genai.ServerError, 0}}
		if len(events) != len(want) {
			t.Fatalf("%+v", events)
		}
		for i, w := range want {
			if e := events[i]; e.Kind != w.kind || e.Delay < w.wait || e.Delay > w.wait+w.wait/4+15*time.Second {
				t.Errorf("event %d is %+v, want %+v", i, e, w)
			}
		}
		if d.looks != 2 {
			t.Errorf("%d looks", d.looks)
		}
	})
}

func TestBatchCancel(t *testing.T) {
	d := newDesk(t)
	d.batch = map[string]any{"id": "batch_1", "status": "in_progress"}
	status, err := d.client().ChatBatch().Cancel(t.Context(), batch1)
	if err != nil || status.State != job.Cancelling || !d.called("POST /v1/batches/batch_1/cancel") {
		t.Errorf("%+v, %v", status, err)
	}
	// Who leaves Do takes the batch along.
	d = newDesk(t)
	ctx, cancel := context.WithCancel(t.Context())
	d.steps = []func(map[string]any){func(b map[string]any) { is("in_progress", 0, 0, 1)(b); cancel() }}
	if _, err = d.client().ChatBatch().Do(ctx, bundle("a")); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "batch_1") {
		t.Error(err)
	}
	if !d.called("POST /v1/batches/batch_1/cancel") {
		t.Error("the server was not told")
	}
}

// TestBatchRefused: what cannot be a batch is refused before anything is sent, and a batch that is refused leaves no file.
func TestBatchRefused(t *testing.T) {
	d := newDesk(t)
	c := d.client()
	wrong := bundle("a", "b")
	wrong.Requests["b"].Messages = nil
	for name, b := range map[string]*job.Bundle[*genai.ChatRequest]{
		"nothing": nil, "empty": {}, "an empty key": bundle(""), "a wrong request": wrong, "no request": {Requests: map[string]*genai.ChatRequest{"a": nil}},
	} {
		_, err := c.ChatBatch().Submit(t.Context(), b)
		if e := genai.AsError(err); e == nil || e.Kind != genai.InvalidRequest || e.Started != genai.StartedNo || e.Field == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, ref := range []*job.Ref{nil, {}, {ID: "../files"}} {
		_, err1 := c.ChatBatch().Look(t.Context(), ref)
		_, err2 := c.ChatBatch().Cancel(t.Context(), ref)
		_, err3 := c.ChatBatch().Result(t.Context(), ref)
		for _, err := range []error{err1, err2, err3} {
			if !errors.Is(err, genai.InvalidRequest) {
				t.Error(err)
			}
		}
	}
	if len(d.calls) != 0 {
		t.Error("sent ", d.calls)
	}
	d.refuse = []http.HandlerFunc{nil, func(w http.ResponseWriter, _ *http.Request) {
		d.fail(w, 400, `{"message":"no","type":"invalid_request_error"}`)
	}}
	if _, err := c.ChatBatch().Submit(t.Context(), bundle("a")); !errors.Is(err, genai.InvalidRequest) || len(d.files) != 0 {
		t.Errorf("%v; the files are %v", err, d.files)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.ChatBatch().Submit(ctx, bundle("a")); !errors.Is(err, genai.Cancelled) {
		t.Error(err)
	}
}

// TestOtherBatches: other endpoints, by the same code.
func TestOtherBatches(t *testing.T) {
	d := newDesk(t)
	c := d.client()
	texts := &job.Bundle[*genai.EmbedRequest]{Requests: map[string]*genai.EmbedRequest{"a": {Input: []string{"x", "y"}}}}
	if _, err := c.EmbedBatch().Submit(t.Context(), texts); err != nil {
		t.Fatal(err)
	}
	if line := d.lines(t)[0]; line["url"] != "/v1/embeddings" || fmt.Sprint(line["body"]) != "map[input:[x y] model:m]" {
		t.Errorf("%v", line)
	}
	d.steps = []func(map[string]any){d.ends("completed", 2, 0, 2, `{"custom_id":"a","response":{"status_code":200,"body":{"data":[{"index":1,"embedding":[3,4]},{"index":0,"embedding":[1,2]}]}}}`+"\n"+
		`{"custom_id":"b","response":{"status_code":200,"body":{"data":[]}}}`, "")}
	words, err := told(c.EmbedBatch().Result(t.Context(), batch1))
	if err != nil || !slices.Equal(words, []string{"a=[[1 2] [3 4]]", "b!empty_response"}) {
		t.Errorf("%q, %v", words, err)
	}

	d = newDesk(t)
	if _, err := d.client().RespondBatch().Submit(t.Context(), bundle("a")); err != nil {
		t.Fatal(err)
	}
	if line := d.lines(t)[0]; line["url"] != "/v1/responses" || line["body"].(map[string]any)["input"] == nil {
		t.Errorf("%v", line)
	}
	d.steps = []func(map[string]any){d.ends("completed", 1, 0, 1, `{"custom_id":"a","response":{"status_code":200,"body":{"id":"resp_1","object":"response","status":"completed",`+
		`"output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"ay"}]}]}}}`, "")}
	if words, err = told(d.client().RespondBatch().Result(t.Context(), batch1)); err != nil || !slices.Equal(words, []string{"a=ay"}) {
		t.Errorf("%q, %v", words, err)
	}
}

// FuzzOutcomes: whatever is in the file, each outcome has a key and either a value or an error, and what is missing is said.
func FuzzOutcomes(f *testing.F) {
	f.Add(answered("a", "ay")+answered("b", "bee"), 2)
	f.Add(answered("a", "ay")[:50], 1)
	f.Add(refused("b", 429, `{}`)+skipped("c", "batch_expired"), 2)
	f.Add("{}\n\n[]\n{\"custom_id\":3}", 0)
	f.Add(`{"custom_id":"a","response":{"status_code":200,"body":{"error":{"message":"x"}}}}`, 1)
	f.Fuzz(func(t *testing.T, file string, total int) {
		c := &openai.Client{BaseURL: "http://desk.test/v1", Model: "m", HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) string {
			if strings.HasSuffix(r.URL.Path, "/content") {
				return file
			}
			return fmt.Sprintf(`{"id":"batch_1","status":"completed","output_file_id":"f","request_counts":{"completed":%d}}`, total)
		})}}
		stream, err := c.ChatBatch().Result(t.Context(), batch1)
		if err != nil {
			if _, ok := errors.AsType[*genai.Error](err); !ok {
				t.Fatal(err)
			}
			return
		}
		n := 0
		for o, err := range stream.All() {
			if err != nil {
				if _, ok := errors.AsType[*genai.Error](err); !ok {
					t.Fatal(err)
				}
				return
			}
			n++
			if o.Key == "" || (o.Err == nil) == (o.Value == nil) {
				t.Fatalf("%+v", o)
			}
		}
		if n < total || n == 0 {
			t.Fatalf("%d outcomes of %d, and no error", n, total)
		}
	})
}

// A roundTrip answers requests with a text.
type roundTrip func(*http.Request) string

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(f(r))), ContentLength: -1, Request: r}, nil
}

// BenchmarkOutcomes reads a batch; a line is one conversation.
func BenchmarkOutcomes(b *testing.B) {
	var file strings.Builder
	for i := range 1000 {
		file.WriteString(answered(fmt.Sprint(i), "text"))
	}
	c := &openai.Client{BaseURL: "http://desk.test/v1", Model: "m", HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) string {
		if strings.HasSuffix(r.URL.Path, "/content") {
			return file.String()
		}
		return `{"id":"batch_1","status":"completed","output_file_id":"f","request_counts":{"completed":1000}}`
	})}}
	b.ReportAllocs()
	for b.Loop() {
		words, err := told(c.ChatBatch().Result(b.Context(), batch1))
		if err != nil || len(words) != 1000 {
			b.Fatal(len(words), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/line")
}

// BenchmarkSubmit writes a batch.
func BenchmarkSubmit(b *testing.B) {
	c := &openai.Client{BaseURL: "http://desk.test/v1", Model: "m", HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) string {
		_, _ = io.Copy(io.Discard, r.Body)
		return `{"id":"x","status":"validating"}`
	})}}
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
	}
	requests := bundle(keys...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.ChatBatch().Submit(b.Context(), requests); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/line")
}
