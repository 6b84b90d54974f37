package openai_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/job"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// A trainer is a server with one fine-tuning job, whose status and newest event it tells look by look.
type trainer struct {
	jobs, events []string
	looks        int
	created      string
	calls        []string
}

func (s *trainer) client(t *testing.T) *openai.Client {
	d := newDesk(t)
	c := d.client()
	d.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls = append(s.calls, r.Method+" "+r.URL.RequestURI())
		last := min(s.looks, len(s.jobs)-1)
		switch {
		case r.Method == "POST" && r.URL.Path == "/v1/fine_tuning/jobs":
			body, _ := io.ReadAll(r.Body)
			s.created = strings.TrimSpace(string(body))
			_, _ = io.WriteString(w, tuning("validating_files", `{}`, "null"))
		case r.Method == "POST":
			_, _ = io.WriteString(w, tuning("cancelled", `null`, "null"))
		case strings.HasSuffix(r.URL.Path, "/events"):
			if s.events == nil {
				w.WriteHeader(404)
				return
			}
			_, _ = io.WriteString(w, s.events[min(s.looks-1, len(s.events)-1)])
		case strings.HasSuffix(r.URL.Path, "/checkpoints"):
			_, _ = io.WriteString(w, `{"object":"list","data":[{"object":"fine_tuning.job.checkpoint","id":"ftckpt_1","created_at":1721764867,"fine_tuned_model_checkpoint":"ft:m:ckpt-step-2000",`+
				`"metrics":{"full_valid_loss":0.134,"full_valid_mean_token_accuracy":0.874},"fine_tuning_job_id":"ftjob-1","step_number":2000}],"first_id":"ftckpt_1","last_id":"ftckpt_1","has_more":false}`)
		default:
			s.looks++
			_, _ = io.WriteString(w, s.jobs[last])
		}
	})
	return c
}

// tuning is a job. The error of one that goes well is an object without contents, or null.
func tuning(status, failure, model string) string {
	return fmt.Sprintf(`{"object":"fine_tuning.job","id":"ftjob-1","model":"gpt-4o-mini","created_at":1721764800,"finished_at":1721764900,"fine_tuned_model":%s,`+
		`"status":%q,"error":%s,"result_files":["file-r"],"trained_tokens":5768}`, model, status, failure)
}

func event(message, data string) string {
	return fmt.Sprintf(`{"object":"list","data":[{"object":"fine_tuning.job.event","id":"ftevent-1","created_at":1,"level":"info","message":%q,"data":%s,"type":"metrics"}],"has_more":true}`, message, data)
}

func TestFineTune(t *testing.T) {
	leakCheck(t)
	s := &trainer{
		jobs:   []string{tuning("queued", `{"code":null,"message":null,"param":null}`, "null"), tuning("running", `{}`, "null"), tuning("succeeded", "null", `"ft:m"`)},
		events: []string{`{"data":[]}`, event("Step 88/100: training loss=0.00", `{"step":88,"total_steps":100,"train_loss":0.1}`), event("done", "null")},
	}
	service := s.client(t).FineTunes()
	service.Every = time.Millisecond
	seed := int64(7)
	status, err := service.Submit(t.Context(), &openai.FineTuning{
		Training: "file-t", Suffix: "desk", Seed: &seed, Method: json.RawMessage(`{"type":"dpo"}`), Extra: map[string]json.RawMessage{"suffix": json.RawMessage(`"other"`)},
	})
	if err != nil || status.ID != "ftjob-1" || status.State != job.Queued || status.Err != nil {
		t.Fatalf("%+v, %v", status, err)
	}
	if want := `{"method":{"type":"dpo"},"model":"m","seed":7,"suffix":"other","training_file":"file-t"}`; s.created != want {
		t.Errorf("sent %s", s.created)
	}
	progress, err := service.Wait(t.Context(), status.Ref())
	var seen []string
	for _, p := range must(every(progress, err))(t) {
		seen = append(seen, fmt.Sprintf("%s %d/%d %s", p.State, p.Done, p.Total, p.Message))
	}
	if got := strings.Join(seen, "|"); got != "queued 0/0 |running 88/100 Step 88/100: training loss=0.00|succeeded 0/0 done" {
		t.Error(got)
	}
	tuned, err := service.Result(t.Context(), status.Ref())
	if err != nil || tuned.Model != "ft:m" || tuned.Base != "gpt-4o-mini" || tuned.Files[0] != "file-r" || tuned.Spent != 5768 {
		t.Errorf("%+v, %v", tuned, err)
	}
	points := must(every(s.client(t).Checkpoints(t.Context(), status.Ref())))(t)
	if len(points) != 1 || points[0].Model != "ft:m:ckpt-step-2000" || points[0].Step != 2000 || points[0].Metrics["full_valid_loss"] != 0.134 {
		t.Errorf("%+v", points)
	}
	if status, err = service.Cancel(t.Context(), status.Ref()); err != nil || status.State != job.Cancelled || s.calls[len(s.calls)-1] != "POST /v1/fine_tuning/jobs/ftjob-1/cancel" {
		t.Errorf("%+v, %v", status, err)
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestFineTuneFailures(t *testing.T) {
	cases := []struct {
		name, job string
		kind      genai.Kind
		field     string
	}{
		{"failed for its file", tuning("failed", `{"code":"invalid_training_file","message":"too few examples","param":"training_file"}`, "null"), genai.InvalidRequest, "training_file"},
		{"failed for money", tuning("failed", `{"code":"insufficient_quota","message":"no money","param":null}`, "null"), genai.QuotaExhausted, ""},
		{"failed without a word", tuning("failed", `{}`, "null"), genai.ServerError, ""},
		{"cancelled", tuning("cancelled", "null", "null"), genai.Cancelled, ""},
		{"without a model", tuning("succeeded", "null", "null"), genai.Malformed, ""},
		{"not over", tuning("running", "null", "null"), genai.Precondition, ""},
		{"paused", tuning("paused", "null", "null"), genai.Precondition, ""},
		{"an error with a status of success", `{"error":{"message":"no","code":"rate_limit_exceeded"}}`, genai.RateLimited, ""},
		{"something else", `{"id":"x"}`, genai.Malformed, ""},
		{"half of it", `{"id":"ftjob-1","status":"succ`, genai.Truncated, ""},
		{"a web page", `<html>`, genai.Malformed, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := &trainer{jobs: []string{c.job}}
			_, err := s.client(t).FineTunes().Result(t.Context(), &job.Ref{ID: "ftjob-1"})
			if e := genai.AsError(err); e == nil || e.Kind != c.kind || e.Field != c.field || e.Message == "" {
				t.Errorf("%v, want %s", err, c.kind)
			}
		})
	}
	s := &trainer{jobs: []string{tuning("running", "null", "null")}}
	c := s.client(t)
	if status, err := c.FineTunes().Look(t.Context(), &job.Ref{ID: "ftjob-1"}); err != nil || status.State != job.Running || status.Message != "" {
		t.Errorf("a server without events: %+v, %v", status, err)
	}
	before := len(s.calls)
	for _, req := range []*openai.FineTuning{nil, {}, {Training: "f", Method: json.RawMessage("{")}} {
		if _, err := c.FineTunes().Submit(t.Context(), req); !errors.Is(err, genai.InvalidRequest) {
			t.Error(err)
		}
	}
	if _, err := c.Checkpoints(t.Context(), nil); !errors.Is(err, genai.InvalidRequest) {
		t.Error(err)
	}
	if len(s.calls) != before {
		t.Error("asked ", s.calls[before:])
	}
}
