package job_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/job"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// TestTravel: the four handlers of a service, served one by one, are the same service on the other side of a wire.
func TestTravel(t *testing.T) {
	var (
		submit = transport.Op[*job.Bundle[*genai.ChatRequest], *job.Status]{Name: "batch.submit"}
		look   = transport.Op[*job.Ref, *job.Status]{Name: "batch.look"}
		cancel = transport.Op[*job.Ref, *job.Status]{Name: "batch.cancel"}
		wait   = transport.Op[*job.Ref, *genai.Stream[job.Status]]{Name: "batch.wait"}
		result = transport.Op[*job.Ref, *genai.Stream[job.Outcome[*genai.ChatResponse]]]{Name: "batch.result"}
	)
	over := job.Status{
		ID: "b1", State: job.Failed, Raw: "failed", Message: "m", Total: 3, Done: 2, Failed: 1,
		Created: time.Unix(1, 0).UTC(), Expires: time.Unix(3, 0).UTC(), Ended: time.Unix(2, 0).UTC(), RetryAfter: time.Second,
		Err: &genai.Error{Kind: genai.InvalidRequest, Code: "url_mismatch", Remote: true},
	}
	outcomes := []job.Outcome[*genai.ChatResponse]{
		{Key: "a", Value: &genai.ChatResponse{ID: "r1", Message: genai.Assistant("yes")}},
		{Key: "b", Err: &genai.Error{Kind: genai.ContentFiltered, Message: "no", Remote: true}},
	}
	here := job.Batch[*genai.ChatRequest, *genai.ChatResponse]{
		Submit: func(_ context.Context, b *job.Bundle[*genai.ChatRequest]) (*job.Status, error) {
			return &job.Status{ID: b.Requests["a"].Text(), State: job.Queued}, nil
		},
		Look:   func(context.Context, *job.Ref) (*job.Status, error) { return &over, nil },
		Cancel: func(context.Context, *job.Ref) (*job.Status, error) { return &over, nil },
		Result: func(ctx context.Context, ref *job.Ref) (*genai.Stream[job.Outcome[*genai.ChatResponse]], error) {
			return genai.Open(ctx, func(_ context.Context, yield func(job.Outcome[*genai.ChatResponse]) bool) error {
				for _, o := range outcomes {
					if !yield(o) {
						return nil
					}
				}
				return over.Failure()
			})
		},
	}
	network := &inproc.Network{Strict: true}
	submit.Serve(network, here.Submit)
	look.Serve(network, here.Look)
	cancel.Serve(network, here.Cancel)
	wait.Serve(network, here.Wait)
	result.Serve(network, here.Result)
	there := job.Batch[*genai.ChatRequest, *genai.ChatResponse]{
		Submit: submit.Dial(network), Look: look.Dial(network), Cancel: cancel.Dial(network), Result: result.Dial(network),
	}

	status, err := there.Submit(t.Context(), &job.Bundle[*genai.ChatRequest]{Requests: map[string]*genai.ChatRequest{"a": {Messages: []genai.Message{genai.User("b1")}}}})
	if err != nil || status.ID != "b1" {
		t.Fatal(status, err)
	}
	if status, err = there.Look(t.Context(), &job.Ref{ID: "b1"}); err != nil || !reflect.DeepEqual(*status, over) {
		t.Errorf("got %+v, %v, want %+v", status, err, over)
	}
	if states, err := seen(wait.Dial(network)(t.Context(), &job.Ref{ID: "b1"})); len(states) != 1 || !errors.Is(err, genai.InvalidRequest) {
		t.Errorf("saw %v and %v", states, err)
	}
	stream, err := there.Result(t.Context(), &job.Ref{ID: "b1"})
	if err != nil {
		t.Fatal(err)
	}
	var got []job.Outcome[*genai.ChatResponse]
	for o, err := range stream.All() {
		if err != nil {
			if e := genai.AsError(err); e.Kind != genai.InvalidRequest || e.Code != "url_mismatch" {
				t.Error(err)
			}
			break
		}
		got = append(got, o)
	}
	if !reflect.DeepEqual(got, outcomes) {
		t.Errorf("got %+v", got)
	}
}
