package anthropic_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/job"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

var batch1 = &job.Ref{ID: "msgbatch_1"}

// A desk is a server that works on one batch, on the provider's wire. Each look at it is a step.
type desk struct {
	*httptest.Server
	mu      sync.Mutex
	steps   []http.HandlerFunc // answers to the looks; the last one stays
	results string
	cut     int // how many bytes of the results come before the connection breaks; negative: all
	created string
	calls   []string
}

func newDesk(t testing.TB, steps ...http.HandlerFunc) *desk {
	d := &desk{steps: steps, cut: -1}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/messages/batches", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		d.created = string(body)
		about("in_progress", "null", 2, 0, 0, 0, 0)(w, r)
	})
	mux.HandleFunc("GET /v1/messages/batches/msgbatch_1", func(w http.ResponseWriter, r *http.Request) {
		step := d.steps[0]
		if len(d.steps) > 1 {
			d.steps = d.steps[1:]
		}
		step(w, r)
	})
	mux.HandleFunc("POST /v1/messages/batches/msgbatch_1/cancel", about("canceling", `"2024-08-20T18:37:24Z"`, 2, 0, 0, 0, 0))
	mux.HandleFunc("GET /v1/messages/batches/msgbatch_1/results", func(w http.ResponseWriter, r *http.Request) {
		if d.cut >= 0 {
			w.Header().Set("Content-Length", fmt.Sprint(len(d.results)))
			_, _ = io.WriteString(w, d.results[:d.cut])
			return // the server closes the connection, since it said that there is more
		}
		_, _ = io.WriteString(w, d.results)
	})
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.calls = append(d.calls, r.Method+" "+r.URL.Path)
		if r.Header.Get("X-Api-Key") != "sk-ant-secret-key" || r.Header.Get("Anthropic-Version") == "" {
			t.Errorf("the headers are %v", r.Header)
		}
		w.Header().Set("Request-Id", "req-look")
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *desk) client() *anthropic.Client {
	return &anthropic.Client{BaseURL: d.URL + "/v1", Key: "sk-ant-secret-key", Model: "m", HTTP: d.Server.Client()}
}

// about answers with a batch.
func about(status, cancelled string, processing, succeeded, errored, canceled, expired int) http.HandlerFunc {
	ended := "null"
	if status == "ended" {
		ended = `"2024-08-20T19:37:24.100435Z"`
	}
	return fixed(200, "application/json", fmt.Sprintf(`{"id":"msgbatch_1","type":"message_batch","processing_status":%q,"request_counts":{"processing":%d,"succeeded":%d,"errored":%d,"canceled":%d,"expired":%d},`+
		`"ended_at":%s,"created_at":"2024-08-20T18:37:24.100435Z","expires_at":"2024-08-21T18:37:24.100435Z","archived_at":null,"cancel_initiated_at":%s,"results_url":null}`,
		status, processing, succeeded, errored, canceled, expired, ended, cancelled))
}

func ended(succeeded, errored, canceled, expired int) http.HandlerFunc {
	return about("ended", "null", 0, succeeded, errored, canceled, expired)
}

func succeeded(key, text string) string {
	return fmt.Sprintf(`{"custom_id":%q,"result":{"type":"succeeded","message":{"id":"msg_1","type":"message","role":"assistant","model":"real","content":[{"type":"text","text":%q}],`+
		`"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":11,"output_tokens":36}}}}`+"\n", key, text)
}

func errored(key, typ string) string {
	return fmt.Sprintf(`{"custom_id":%q,"result":{"type":"errored","error":{"type":"error","error":{"details":null,"type":%q,"message":"so it is"},"request_id":"req-own"}}}`+"\n", key, typ)
}

func without(key, typ string) string {
	return fmt.Sprintf(`{"custom_id":%q,"result":{"type":%q}}`+"\n", key, typ)
}

func bundle(keys ...string) *job.Bundle[*genai.ChatRequest] {
	b := &job.Bundle[*genai.ChatRequest]{Requests: map[string]*genai.ChatRequest{}}
	for _, key := range keys {
		b.Requests[key] = &genai.ChatRequest{Messages: []genai.Message{genai.User("What about " + key + "?")}}
	}
	return b
}

// told reads outcomes to their end: one word for each, and how they ended.
func told(s *genai.Stream[job.Outcome[*genai.ChatResponse]], err error) (words []string, _ error) {
	if err != nil {
		return nil, err
	}
	for o, err := range s.All() {
		switch {
		case err != nil:
			return words, err
		case o.Err != nil:
			words = append(words, o.Key+"!"+string(o.Err.Kind))
		default:
			words = append(words, o.Key+"="+o.Value.Text())
		}
	}
	return words, nil
}

func TestBatch(t *testing.T) {
	recordedtest.CheckLeaks(t)
	d := newDesk(t, about("in_progress", "null", 2, 0, 0, 0, 0), about("in_progress", "null", 2, 0, 0, 0, 0), ended(1, 1, 0, 0))
	d.results = succeeded("b", "bee") + errored("a", "overloaded_error")
	batches := d.client().Batch()
	batches.Every = time.Millisecond
	status, err := batches.Submit(t.Context(), bundle("b", "a"))
	if err != nil || status.ID != "msgbatch_1" || status.State != job.Running || status.Total != 2 || status.Created.Year() != 2024 || status.Expires.Day() != 21 {
		t.Fatalf("%+v, %v", status, err)
	}
	if want := `{"requests":[{"custom_id":"a","params":{"max_tokens":8192,"messages":[{"role":"user","content":[{"type":"text","text":"What about a?"}]}],"model":"m"}},` +
		`{"custom_id":"b","params":{"max_tokens":8192,"messages":[{"role":"user","content":[{"type":"text","text":"What about b?"}]}],"model":"m"}}]}`; strings.TrimSpace(d.created) != want {
		t.Errorf("sent %s", d.created)
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
		seen = append(seen, fmt.Sprintf("%s %d+%d/%d", s.State, s.Done, s.Failed, s.Total))
	}
	if !slices.Equal(seen, []string{"running 0+0/2", "succeeded 1+1/2"}) {
		t.Errorf("saw %q", seen)
	}
	stream, err := d.client().Batch().Result(t.Context(), batch1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := stream.Next()
	if err != nil || b.Value.Text() != "bee" || b.Value.Usage.Output != 36 || b.Value.Model != "real" {
		t.Errorf("%+v, %v", b, err)
	}
	a, err := stream.Next()
	if err != nil || a.Err.Kind != genai.Overloaded || a.Err.Code != "overloaded_error" || a.Err.RequestID != "req-own" || a.Err.Status != 0 || a.Err.Op != "batch" {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := stream.Next(); err != io.EOF {
		t.Error(err)
	}
}

func TestBatchOutcomes(t *testing.T) {
	ok := succeeded("a", "ay")
	cases := []struct {
		name    string
		look    http.HandlerFunc
		results string
		want    string
		kind    genai.Kind
	}{
		{"errors by the same table", ended(1, 4, 0, 0), ok + errored("b", "invalid_request_error") + errored("c", "rate_limit_error") + errored("d", "api_error") + errored("e", "moonphase"),
			"a=ay b!invalid_request c!rate_limited d!server_error e!server_error", ""},
		{"cancelled", about("ended", `"2024-08-20T18:37:24Z"`, 0, 1, 0, 1, 0), ok + without("b", "canceled"), "a=ay b!cancelled", ""},
		{"expired", ended(1, 0, 0, 1), ok + without("b", "expired"), "a=ay b!timeout", ""},
		{"an outcome of tomorrow", ended(1, 1, 0, 0), ok + without("b", "dreamt"), "a=ay b!malformed", ""},
		{"an answer that is none", ended(1, 0, 0, 0), `{"custom_id":"a","result":{"type":"succeeded","message":{}}}`, "a!malformed", ""},
		{"an answer that is missing", ended(1, 0, 0, 0), without("a", "succeeded"), "a!truncated", ""},
		{"an error without a word", ended(0, 1, 0, 0), without("a", "errored"), "a!server_error", ""},
		{"not over", about("in_progress", "null", 1, 0, 0, 0, 0), ok, "", genai.Precondition},
		{"about to be cancelled", about("canceling", `"2024-08-20T18:37:24Z"`, 1, 0, 0, 0, 0), ok, "", genai.Precondition},
		{"lines that are missing", ended(2, 0, 0, 0), ok, "a=ay", genai.Truncated},
		{"not a line", ended(2, 0, 0, 0), ok + "<html>\n", "a=ay", genai.Malformed},
		{"a line without a key", ended(2, 0, 0, 0), ok + "{}\n", "a=ay", genai.Malformed},
		{"no line", ended(0, 0, 0, 0), "", "", genai.Empty},
		{"no such batch", fixed(404, "application/json", `{"type":"error","error":{"type":"not_found_error","message":"no"}}`), "", "", genai.NotFound},
		{"an error with a status of success", fixed(200, "application/json", `{"type":"error","error":{"type":"overloaded_error","message":"no"}}`), "", "", genai.Overloaded},
		{"something else", fixed(200, "application/json", `{"id":"x"}`), "", "", genai.Malformed},
		{"half a batch", fixed(200, "application/json", `{"id":"x"`), "", "", genai.Truncated},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			recordedtest.CheckLeaks(t)
			d := newDesk(t, c.look)
			d.results = c.results
			words, err := told(d.client().Batch().Result(t.Context(), batch1))
			if got := strings.Join(words, " "); got != c.want || genai.KindOf(err) != c.kind {
				t.Errorf("got %q, %v; want %q and %s", got, err, c.want, c.kind)
			}
		})
	}
}

// TestBatchStates: how a batch has ended shows in its counts alone.
func TestBatchStates(t *testing.T) {
	for _, c := range []struct {
		look  http.HandlerFunc
		state job.State
		kind  genai.Kind
	}{
		{about("in_progress", "null", 3, 0, 0, 0, 0), job.Running, ""},
		{about("dreaming", "null", 3, 0, 0, 0, 0), job.Running, ""},
		{about("canceling", "null", 3, 0, 0, 0, 0), job.Cancelling, ""},
		{ended(3, 1, 0, 0), job.Succeeded, ""},
		{about("ended", `"2024-08-20T18:37:24Z"`, 0, 3, 0, 0, 0), job.Succeeded, ""}, // it came too late
		{ended(1, 0, 1, 1), job.Cancelled, genai.Cancelled},
		{ended(1, 0, 0, 1), job.Expired, genai.Timeout},
	} {
		status, err := newDesk(t, c.look).client().Batch().Look(t.Context(), batch1)
		if err != nil || status.State != c.state || genai.KindOf(status.Failure()) != c.kind || status.Ended.IsZero() == status.State.Over() {
			t.Errorf("%+v, %v; want %s", status, err, c.state)
		}
	}
}

// TestBatchCut: wherever the file breaks off, all outcomes before are there, and the end is an error.
func TestBatchCut(t *testing.T) {
	d := newDesk(t, ended(4, 0, 0, 0))
	var ends []int
	for i := range 4 {
		d.results += succeeded(fmt.Sprint("k", i), "text")
		ends = append(ends, len(d.results))
	}
	for d.cut = 0; d.cut < len(d.results); d.cut += 31 {
		words, err := told(d.client().Batch().Result(t.Context(), batch1))
		whole := 0
		for _, end := range ends {
			if end <= d.cut {
				whole++
			}
		}
		if len(words) != whole || !errors.Is(err, genai.Truncated) {
			t.Fatalf("cut at %d: %q, %v; want %d outcomes and Truncated", d.cut, words, err, whole)
		}
	}
}

// TestBatchPolling: a server that says when to come again is heeded.
func TestBatchPolling(t *testing.T) {
	busy := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "300")
		fixed(429, "application/json", `{"type":"error","error":{"type":"rate_limit_error","message":"later"}}`)(w, r)
	}
	d := newDesk(t, about("in_progress", "null", 1, 0, 0, 0, 0), busy, ended(1, 0, 0, 0))
	synctest.Test(t, func(t *testing.T) {
		c := d.client()
		c.HTTP = &http.Client{Transport: handled(d.Config.Handler.ServeHTTP)}
		batches := c.Batch()
		batches.Every = time.Second
		start := time.Now()
		progress, err := batches.Wait(t.Context(), batch1)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range progress.All() {
			if err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(start); waited < 301*time.Second || waited > 380*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

// A handled is a transport without a network, for tests in which time is not real.
type handled http.HandlerFunc

func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func TestBatchCancel(t *testing.T) {
	d := newDesk(t, about("in_progress", "null", 1, 0, 0, 0, 0))
	status, err := d.client().Batch().Cancel(t.Context(), batch1)
	if err != nil || status.State != job.Cancelling {
		t.Errorf("%+v, %v", status, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	d = newDesk(t, func(w http.ResponseWriter, r *http.Request) {
		about("in_progress", "null", 1, 0, 0, 0, 0)(w, r)
		cancel()
	})
	if _, err = d.client().Batch().Do(ctx, bundle("a")); !errors.Is(err, context.Canceled) || !slices.Contains(d.calls, "POST /v1/messages/batches/msgbatch_1/cancel") {
		t.Errorf("%v; the server was asked %q", err, d.calls)
	}
}

func TestBatchRefused(t *testing.T) {
	d := newDesk(t, ended(1, 0, 0, 0))
	c := d.client()
	wrong := bundle("a", "b")
	wrong.Requests["b"].Seed = new(int64)
	labelled := bundle("a")
	labelled.Metadata = map[string]string{"a": "b"}
	for name, b := range map[string]*job.Bundle[*genai.ChatRequest]{
		"nothing": nil, "empty": {}, "an empty key": bundle(""), "a key with a space": bundle("a b"), "a long key": bundle(strings.Repeat("a", 65)),
		"a wrong request": wrong, "no request": {Requests: map[string]*genai.ChatRequest{"a": nil}}, "metadata": labelled,
	} {
		_, err := c.Batch().Submit(t.Context(), b)
		if e := genai.AsError(err); e == nil || e.Kind != genai.InvalidRequest && e.Kind != genai.Unsupported || e.Started != genai.StartedNo || e.Field == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, ref := range []*job.Ref{nil, {}, {ID: ".."}, {ID: "a/b"}} {
		_, err1 := c.Batch().Look(t.Context(), ref)
		_, err2 := c.Batch().Cancel(t.Context(), ref)
		_, err3 := c.Batch().Result(t.Context(), ref)
		for _, err := range []error{err1, err2, err3} {
			if !errors.Is(err, genai.InvalidRequest) {
				t.Error(err)
			}
		}
	}
	if len(d.calls) != 0 {
		t.Error("sent ", d.calls)
	}
	secret := serve(t, fixed(400, "application/json", `{"type":"error","error":{"type":"invalid_request_error","message":"requests.0: What about mysecretquestion? is too long"}}`))
	if _, err := secret.client().Batch().Submit(t.Context(), bundle("mysecretquestion")); !errors.Is(err, genai.InvalidRequest) || strings.Contains(err.Error(), "mysecret") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Batch().Submit(ctx, bundle("a")); !errors.Is(err, genai.Cancelled) {
		t.Error(err)
	}
	if _, err := c.Batch().Look(ctx, batch1); !errors.Is(err, genai.Cancelled) {
		t.Error(err)
	}
}

// TestRecordedMessagesInBatches: what was recorded as whole answers comes out of a batch as the same.
func TestRecordedMessagesInBatches(t *testing.T) {
	var file strings.Builder
	want := map[string]string{}
	failures := 0
	for i, r := range recordedtest.Load(t, "anthropic", "messages") {
		if r.Stream {
			continue
		}
		key := fmt.Sprint("k", i)
		got, err := client(r.Replay()).Complete(t.Context(), ask)
		switch {
		case r.Status >= 300:
			failures++
			want[key] = key + "!" + string(genai.KindOf(err))
			fmt.Fprintf(&file, `{"custom_id":%q,"result":{"type":"errored","error":%s}}`+"\n", key, r.Body)
		case err == nil:
			want[key] = key + "=" + got.Text()
			fmt.Fprintf(&file, `{"custom_id":%q,"result":{"type":"succeeded","message":%s}}`+"\n", key, r.Body)
		}
	}
	d := newDesk(t, ended(len(want)-failures, failures, 0, 0))
	d.results = file.String()
	words, err := told(d.client().Batch().Result(t.Context(), batch1))
	if err != nil || len(words) != len(want) || len(words) < 50 {
		t.Fatalf("%d outcomes of %d, %v", len(words), len(want), err)
	}
	for _, word := range words {
		key, _, _ := strings.Cut(strings.Replace(word, "!", "=", 1), "=")
		if word != want[key] {
			t.Errorf("got %q, want %q", word, want[key])
		}
	}
}

// FuzzOutcomes: whatever is in the file, each outcome has a key and either a value or an error, and what is missing is said.
func FuzzOutcomes(f *testing.F) {
	f.Add(succeeded("a", "ay")+errored("b", "api_error"), 2)
	f.Add(succeeded("a", "ay")[:60], 1)
	f.Add(without("a", "canceled")+without("b", "expired")+without("c", "new"), 3)
	f.Add("{}\n\n[]\n{\"custom_id\":3}", 0)
	f.Fuzz(func(t *testing.T, file string, total int) {
		counts, _ := json.Marshal(map[string]int{"succeeded": total})
		c := &anthropic.Client{BaseURL: "http://desk.test/v1", Model: "m", HTTP: &http.Client{Transport: handled(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/results") {
				_, _ = io.WriteString(w, file)
				return
			}
			_, _ = io.WriteString(w, `{"id":"msgbatch_1","processing_status":"ended","request_counts":`+string(counts)+`}`)
		})}}
		stream, err := c.Batch().Result(t.Context(), batch1)
		n := 0
		if err == nil {
			for o, cut := range stream.All() {
				if err = cut; err != nil {
					break
				}
				n++
				if o.Key == "" || (o.Err == nil) == (o.Value == nil) {
					t.Fatalf("%+v", o)
				}
			}
		}
		if e, ok := errors.AsType[*genai.Error](err); err != nil && (!ok || !e.Kind.Known()) {
			t.Fatal(err)
		}
		if err == nil && (n < total || n == 0) {
			t.Fatalf("%d outcomes of %d, and no error", n, total)
		}
	})
}
