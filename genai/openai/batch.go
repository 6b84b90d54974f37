package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/job"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

func itoa(n int) string { return strconv.Itoa(n) }

// ChatBatch is where many conversations are answered together, within 24 hours and for less. They are written, and their
// answers are understood, as those of [Client.Complete] are. OpenAI wants one model for all of them, at most 50,000 of them,
// and at most 200 MB; a batch that it does not want is accepted and has then Failed.
//
// Of what an error of a single request quotes only what stands in quotation marks is left out: who fetches outcomes need not know
// the requests.
func (c *Client) ChatBatch() *job.Batch[*genai.ChatRequest, *genai.ChatResponse] {
	return batch(c, "/chat/completions", (*Client).Complete, anyChat)
}

// RespondBatch is [Client.ChatBatch] by the newer interface, that of [Client.Respond].
func (c *Client) RespondBatch() *job.Batch[*genai.ChatRequest, *genai.ChatResponse] {
	return batch(c, "/responses", (*Client).Respond, anyChat)
}

// EmbedBatch is where many texts are turned into vectors together; see [Client.Embed] and [Client.ChatBatch]. OpenAI takes
// 50,000 texts at most, however many there are in a request.
func (c *Client) EmbedBatch() *job.Batch[*genai.EmbedRequest, *genai.Embeddings] {
	return batch(c, "/embeddings", (*Client).Embed, func(answer []byte) *genai.EmbedRequest {
		var list struct{ Data []struct{} }
		_ = json.Unmarshal(answer, &list) // what cannot be read has no vectors, and Embed says so
		return &genai.EmbedRequest{Model: "?", Input: make([]string, max(len(list.Data), 1))}
	})
}

// anyChat is the conversation that an answer belongs to, as far as that matters for reading it.
func anyChat([]byte) *genai.ChatRequest {
	return &genai.ChatRequest{Model: "?", Messages: []genai.Message{genai.User("?")}}
}

// A method is one of the client, by which a request is sent at once. A batch uses it to write requests, with a client that
// sends nothing, and to read answers, with a client that gets them out of a file.
type method[Req, Resp any] func(*Client, context.Context, Req) (Resp, error)

// batch makes a service of batches at one endpoint. question makes up a request to which something can be the answer.
func batch[Req, Resp any](c *Client, endpoint string, do method[Req, Resp], question func(answer []byte) Req) *job.Batch[Req, Resp] {
	return &job.Batch[Req, Resp]{
		Submit: func(ctx context.Context, b *job.Bundle[Req]) (*job.Status, error) {
			return submit(ctx, c, endpoint, b, do)
		},
		Look: func(ctx context.Context, ref *job.Ref) (*job.Status, error) {
			x, j, err := c.look(ctx, "batch.look", "/batches", ref)
			if err != nil {
				return nil, err
			}
			return x.status(j), nil
		},
		Cancel: func(ctx context.Context, ref *job.Ref) (*job.Status, error) {
			return c.cancel(ctx, "batch.cancel", "/batches", ref)
		},
		Result: func(ctx context.Context, ref *job.Ref) (*genai.Stream[job.Outcome[Resp]], error) {
			return genai.Open(ctx, func(ctx context.Context, yield func(job.Outcome[Resp]) bool) error {
				return outcomes(ctx, c, ref, do, question, yield)
			})
		},
	}
}

// submit writes the file of a batch, sends it, and makes a batch of it.
func submit[Req, Resp any](ctx context.Context, c *Client, endpoint string, b *job.Bundle[Req], do method[Req, Resp]) (*job.Status, error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	x, err := c.begin("batch.submit")
	if err != nil {
		return nil, err
	}
	if b == nil || len(b.Requests) == 0 {
		return nil, x.Refuse(genai.InvalidRequest, "requests", "there is nothing to do")
	}
	type line struct {
		ID     string          `json:"custom_id"`
		Method string          `json:"method"`
		URL    string          `json:"url"`
		Body   json.RawMessage `json:"body"`
	}
	var file bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(b.Requests)) {
		if key == "" {
			return nil, x.Refuse(genai.InvalidRequest, "requests", "a key is empty")
		}
		draft := &exchange.Draft{}
		if _, err := do(c.through(draft), ctx, b.Requests[key]); draft.Body == nil {
			e := *genai.AsError(err)
			e.Op = x.Op
			e.Message = "request " + strconv.Quote(exchange.Clip(key, 100)) + ": " + e.Message
			return nil, &e
		}
		text, err := x.Body(line{key, http.MethodPost, "/v1" + endpoint, draft.Body}, nil)
		if err != nil {
			return nil, err
		}
		file.Write(text)
	}
	x.Texts = func(yield func(string)) {
		for _, req := range b.Requests {
			if text, err := exchange.Marshal(req); err == nil {
				yield(string(text))
			}
		}
	}
	input, err := c.upload(ctx, &Upload{Name: "batch.jsonl", Purpose: "batch", Body: &file, Size: int64(file.Len())}, x.Texts)
	if err != nil {
		return nil, err
	}
	body, err := x.Body(struct {
		Input    string            `json:"input_file_id"`
		Endpoint string            `json:"endpoint"`
		Window   string            `json:"completion_window"`
		Metadata map[string]string `json:"metadata,omitempty"`
	}{input.ID, "/v1" + endpoint, "24h", b.Metadata}, nil)
	if err != nil {
		return nil, err
	}
	if err := c.post(ctx, x, "/batches", "application/json", body); err != nil {
		if genai.AsError(err).Started == genai.StartedNo {
			_ = c.DeleteFile(ctx, input.ID) // nobody will need it; if it stays, it expires some day
		}
		return nil, err
	}
	j, err := x.jobOf(ctx)
	if err != nil {
		return nil, err
	}
	return x.status(j), nil
}

// through returns a client like c that asks transport.
func (c *Client) through(transport http.RoundTripper) *Client {
	other := *c
	other.HTTP = &http.Client{Transport: transport}
	return &other
}

// outcomes reads the two files of a batch: what was answered, and what failed.
func outcomes[Req, Resp any](ctx context.Context, c *Client, ref *job.Ref, do method[Req, Resp], question func([]byte) Req, yield func(job.Outcome[Resp]) bool) error {
	x, j, err := c.over(ctx, "batch.result", "/batches", ref)
	if err != nil {
		return err
	}
	n := 0
	for _, id := range []string{j.Output, j.Error} {
		if id == "" {
			continue
		}
		file, err := c.begin("batch.result")
		if err != nil {
			return err
		}
		if err := c.get(ctx, file, "/files", id, "/content", nil); err != nil {
			return err
		}
		err = file.EachLine(ctx, func(line []byte) error {
			o, err := outcome(ctx, file, line, func(kept *exchange.Kept) (Resp, error) {
				return do(c.through(kept), ctx, question(kept.Body))
			})
			if err != nil {
				return err
			}
			if n++; !yield(o) {
				return io.EOF
			}
			return nil
		})
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	status := x.status(j)
	failure := status.Failure()
	told := status.Done + status.Failed
	if failure == nil {
		told = max(told, status.Total)
	}
	switch {
	case n < told:
		return x.Fail(genai.Truncated, "the files of the batch have "+itoa(n)+" outcomes, and there are "+itoa(told))
	case failure != nil && (n < status.Total || n == 0): // otherwise each request has an outcome of its own
		return failure
	case n == 0:
		return x.Fail(genai.Empty, "the batch has succeeded, and has no outcome")
	}
	return nil
}

// outcome decodes a line of a file. An error is one of the file, and not of the request that the line is about.
func outcome[Resp any](ctx context.Context, x ask, text []byte, read func(*exchange.Kept) (Resp, error)) (o job.Outcome[Resp], err error) {
	var line struct {
		Key      string `json:"custom_id"`
		Response *struct {
			Status int    `json:"status_code"`
			ID     string `json:"request_id"`
			Body   json.RawMessage
		}
		Error json.RawMessage
	}
	if json.Unmarshal(text, &line) != nil || line.Key == "" {
		return o, x.Fail(genai.Malformed, "a line of the file is not an outcome")
	}
	o.Key = line.Key
	if r := line.Response; r != nil {
		o.Value, err = read(&exchange.Kept{Status: r.Status, Header: http.Header{"X-Request-Id": {r.ID}}, Body: r.Body})
		if ended := genai.ContextError(ctx); ended != nil {
			return o, ended
		}
		if err != nil {
			o.Err = genai.AsError(err)
		}
		return o, nil
	}
	e := x.Outcome(line.Error)
	e.Op, e.Status, e.RequestID, e.Started = "batch", 0, "", genai.StartedUnknown
	if e.Code == "batch_expired" || e.Code == "batch_cancelled" {
		e.Started = genai.StartedNo
	}
	if e.Message == "" {
		e.Message = "the server says neither what the answer is nor what went wrong"
	}
	o.Err = e
	return o, nil
}
