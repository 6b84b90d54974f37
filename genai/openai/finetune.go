package openai

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/job"
)

// A FineTuning asks for a model to be trained further.
type FineTuning struct {
	Model      string            `json:"model,omitzero"`           // what to start from; empty: the model that the client was configured with
	Training   string            `json:"training_file"`            // id of a file of the purpose "fine-tune"; see [Client.Upload]
	Validation string            `json:"validation_file,omitzero"` // id of another one, with examples that are not trained on
	Suffix     string            `json:"suffix,omitzero"`          // of the name that the new model gets
	Seed       *int64            `json:"seed,omitzero"`
	Metadata   map[string]string `json:"metadata,omitzero"` // kept by the provider beside the job

	// Method says how, in the provider's words; nil is {"type":"supervised"} with settings that it finds out.
	Method json.RawMessage `json:"method,omitzero"`

	// Extra holds other fields by name, as JSON. They win over those above.
	Extra map[string]json.RawMessage `json:"extra,omitzero"`
}

// A FineTuned is what has come of a FineTuning.
type FineTuned struct {
	Model string   `json:"model"`           // the new model, to be asked by this name
	Base  string   `json:"base,omitzero"`   // what it was made from
	Files []string `json:"files,omitzero"`  // ids of files about the training; see [Client.Content]
	Spent int64    `json:"tokens,omitzero"` // tokens that are billed
}

// FineTunes is where models are trained further. The Message of a status is the newest event of the job, and Total and Done
// are its steps, as far as the server tells; [Client.Checkpoints] has what there was on the way.
func (c *Client) FineTunes() *job.Service[*FineTuning, *FineTuned] {
	return &job.Service[*FineTuning, *FineTuned]{
		Submit: c.tune,
		Look: func(ctx context.Context, ref *job.Ref) (*job.Status, error) {
			x, j, err := c.look(ctx, "finetune.look", tunings, ref)
			if err != nil {
				return nil, err
			}
			status := x.status(j)
			if err := c.newest(ctx, status); err != nil {
				return nil, err
			}
			return status, nil
		},
		Cancel: func(ctx context.Context, ref *job.Ref) (*job.Status, error) {
			return c.cancel(ctx, "finetune.cancel", tunings, ref)
		},
		Result: func(ctx context.Context, ref *job.Ref) (*FineTuned, error) {
			x, j, err := c.over(ctx, "finetune.result", tunings, ref)
			if err != nil {
				return nil, err
			}
			if err := x.status(j).Failure(); err != nil {
				return nil, err
			}
			if j.Tuned == "" {
				return nil, x.Fail(genai.Malformed, "the job has succeeded, and names no model")
			}
			return &FineTuned{j.Tuned, j.Model, j.Results, j.Tokens}, nil
		},
	}
}

const tunings = "/fine_tuning/jobs"

// tune submits a job.
func (c *Client) tune(ctx context.Context, req *FineTuning) (*job.Status, error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	x, err := c.begin("finetune.submit")
	if err != nil {
		return nil, err
	}
	if req == nil || req.Training == "" {
		return nil, x.Refuse(genai.InvalidRequest, "training_file", "there is nothing to learn from")
	}
	own := *req
	own.Extra = nil
	if own.Model == "" {
		own.Model = c.Model
	}
	if own.Method != nil && !json.Valid(own.Method) {
		return nil, x.Refuse(genai.InvalidRequest, "method", "it is not JSON")
	}
	body, err := x.Body(own, req.Extra)
	if err != nil {
		return nil, err
	}
	if err := c.post(ctx, x, tunings, "application/json", body); err != nil {
		return nil, err
	}
	j, err := x.jobOf(ctx)
	if err != nil {
		return nil, err
	}
	return x.status(j), nil
}

// newest adds the newest event of a job to its status. A server without events has no message.
func (c *Client) newest(ctx context.Context, status *job.Status) error {
	x, err := c.begin("finetune.look")
	if err != nil {
		return err
	}
	err = c.get(ctx, x, tunings, status.ID, "/events", url.Values{"limit": {"1"}})
	switch genai.KindOf(err) {
	case genai.NotFound, genai.Unimplemented:
		return nil
	case "":
	default:
		return err
	}
	var list struct {
		Data []struct {
			Message string
			Data    json.RawMessage // not every event has some, and what it is differs
		}
	}
	if err := x.decode(ctx, &list); err != nil {
		return err
	}
	if len(list.Data) == 0 {
		return nil
	}
	var metrics struct {
		Step  int
		Total int `json:"total_steps"`
	}
	_ = json.Unmarshal(list.Data[0].Data, &metrics) // what cannot be read is something else than metrics
	status.Message, status.Done, status.Total = list.Data[0].Message, metrics.Step, metrics.Total
	return nil
}

// A Checkpoint is a model on the way to a FineTuned one. It can be asked like any other.
type Checkpoint struct {
	ID      string             `json:"id"`
	Model   string             `json:"model"`
	Step    int                `json:"step,omitzero"`
	Created time.Time          `json:"created,omitzero"`
	Metrics map[string]float64 `json:"metrics,omitzero"` // such as "train_loss" and "full_valid_loss"
}

// Checkpoints lists the checkpoints of a fine-tuning job, the newest first.
func (c *Client) Checkpoints(ctx context.Context, ref *job.Ref) (*genai.Stream[Checkpoint], error) {
	if ref == nil {
		ref = &job.Ref{}
	}
	return pages(ctx, c, "checkpoints", tunings, ref.ID, "/checkpoints", url.Values{}, func(raw json.RawMessage) (Checkpoint, string, error) {
		var p struct {
			ID      string
			Model   string `json:"fine_tuned_model_checkpoint"`
			Step    int    `json:"step_number"`
			Created int64  `json:"created_at"`
			Metrics map[string]float64
		}
		err := json.Unmarshal(raw, &p)
		return Checkpoint{p.ID, p.Model, p.Step, unix(p.Created), p.Metrics}, p.ID, err
	})
}
