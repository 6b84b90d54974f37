package openai

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/job"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/retryafter"
)

// A jobObject is a batch or a fine-tuning job as it is sent: the two differ in a few members only.
type jobObject struct {
	ID      string
	Object  string
	Status  string
	Created int64 `json:"created_at"`
	Expires int64 `json:"expires_at"`

	// When it ended, under the name of how.
	Completed int64 `json:"completed_at"`
	Failed    int64 `json:"failed_at"`
	Expired   int64 `json:"expired_at"`
	Cancelled int64 `json:"cancelled_at"`
	Finished  int64 `json:"finished_at"`

	// Of batches.
	Output string `json:"output_file_id"`
	Error  string `json:"error_file_id"`
	Counts struct {
		Total, Completed, Failed int
	} `json:"request_counts"`
	Errors struct{ Data []json.RawMessage }

	// Of fine-tuning jobs. Failure is an object without contents while nothing is wrong.
	Failure json.RawMessage `json:"error"`
	Model   string
	Tuned   string   `json:"fine_tuned_model"`
	Results []string `json:"result_files"`
	Tokens  int64    `json:"trained_tokens"`
}

// jobOf reads the answer to an exchange that asked for a job.
func (x ask) jobOf(ctx context.Context) (*jobObject, error) {
	data, err := x.Document(ctx)
	if err != nil {
		return nil, err
	}
	var j jobObject
	if err := json.Unmarshal(data, &j); err != nil || j.ID == "" || j.Status == "" {
		if parseProblem(data) != (problem{}) { // some servers report a failure with a status of success
			return nil, x.Problem(data)
		}
		if err != nil {
			return nil, x.Misread(data)
		}
		return nil, x.Fail(genai.Malformed, "the answer is not a job")
	}
	return &j, nil
}

// look asks for a job.
func (c *Client) look(ctx context.Context, op, path string, ref *job.Ref) (ask, *jobObject, error) {
	x, err := c.begin(op)
	if err != nil {
		return x, nil, err
	}
	if ref == nil || ref.ID == "" {
		return x, nil, x.Refuse(genai.InvalidRequest, "id", "it names no job")
	}
	if err := c.get(ctx, x, path, ref.ID, "", nil); err != nil {
		return x, nil, err
	}
	j, err := x.jobOf(ctx)
	return x, j, err
}

// over asks for a job whose result is wanted. One that is not over, or has none, is an error.
func (c *Client) over(ctx context.Context, op, path string, ref *job.Ref) (ask, *jobObject, error) {
	x, j, err := c.look(ctx, op, path, ref)
	if err != nil {
		return x, nil, err
	}
	status := x.status(j)
	if !status.State.Over() {
		e := x.Fail(genai.Precondition, "job "+j.ID+" is not over yet")
		e.Code = exchange.Clip(j.Status, 100)
		return x, nil, e
	}
	if status.State == job.Failed {
		return x, nil, status.Failure()
	}
	return x, j, nil
}

// cancel asks for a job to end.
func (c *Client) cancel(ctx context.Context, op, path string, ref *job.Ref) (*job.Status, error) {
	x, err := c.begin(op)
	if err != nil {
		return nil, err
	}
	if ref == nil || !exchange.Named(ref.ID) {
		return nil, x.Refuse(genai.InvalidRequest, "id", "it names no job")
	}
	if err := c.post(ctx, x, path+"/"+ref.ID+"/cancel", "application/json", nil); err != nil {
		return nil, err
	}
	j, err := x.jobOf(ctx)
	if err != nil {
		return nil, err
	}
	return x.status(j), nil
}

// status translates a job.
func (x ask) status(j *jobObject) *job.Status {
	s := &job.Status{
		ID: j.ID, State: stateOf(j.Status), Raw: j.Status, Total: j.Counts.Total, Done: j.Counts.Completed, Failed: j.Counts.Failed,
		Created: unix(j.Created), Expires: unix(j.Expires), RetryAfter: retryafter.Parse(x.Resp.Header, time.Now()),
	}
	if s.State.Over() {
		s.Ended = unix(max(j.Completed, j.Failed, j.Expired, j.Cancelled, j.Finished))
	}
	if s.State == job.Failed {
		s.Err = x.failure(j)
	}
	return s
}

// stateOf translates the provider's word. Some servers write it in capitals.
func stateOf(raw string) job.State {
	switch strings.ToLower(raw) {
	case "validating", "validating_files", "queued", "pending", "created":
		return job.Queued
	case "cancelling":
		return job.Cancelling
	case "completed", "succeeded":
		return job.Succeeded
	case "failed":
		return job.Failed
	case "cancelled", "canceled":
		return job.Cancelled
	case "expired":
		return job.Expired
	}
	return job.Running // in_progress, finalizing, running, paused
}

// failure makes an Error of why a job failed. What was wrong with its input is the caller's fault, unless its code says
// something else.
func (x ask) failure(j *jobObject) *genai.Error {
	raw, more := j.Failure, 0
	if len(j.Errors.Data) > 0 {
		raw, more = j.Errors.Data[0], len(j.Errors.Data)-1
	}
	p := parseProblem(raw)
	e := x.Outcome(raw)
	e.Status = 0 // that of the look, which went well
	switch kind, known := kindOfWord(p.code); {
	case known:
		e.Kind = kind
	case p.code != "" || p.param != "":
		e.Kind, e.Field = genai.InvalidRequest, exchange.Clip(p.param, 100)
	}
	var at struct{ Line int }
	if json.Unmarshal(raw, &at) == nil && at.Line > 0 {
		e.Message += " (line " + itoa(at.Line) + " of the input)"
	}
	if more > 0 {
		e.Message += " (and " + itoa(more) + " more)"
	}
	if e.Message == "" {
		e.Message = "the job failed, and the server does not say why"
	}
	return e
}
