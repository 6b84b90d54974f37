package anthropic

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/job"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/retryafter"
)

// Batch is where many conversations are answered together, within 24 hours and for less. They are written, and their answers
// are understood, as those of [Client.Complete] are. Keys are letters, digits, '_' and '-', at most 64; there is no metadata.
// The provider takes 100,000 requests or 256 MB, and keeps outcomes for 29 days.
//
// Nothing but Total is known of a batch before it has ended: the provider counts only then. Every request has an outcome, also
// in a batch that was cancelled or has expired; its error then says which. Of what an error of a single request quotes only
// what stands in quotation marks is left out: who fetches outcomes need not know the requests.
func (c *Client) Batch() *job.Batch[*genai.ChatRequest, *genai.ChatResponse] {
	return &job.Batch[*genai.ChatRequest, *genai.ChatResponse]{
		Submit: c.submit,
		Look: func(ctx context.Context, ref *job.Ref) (*job.Status, error) {
			_, status, err := c.look(ctx, "batch.look", ref)
			return status, err
		},
		Cancel: c.cancel,
		Result: func(ctx context.Context, ref *job.Ref) (*genai.Stream[job.Outcome[*genai.ChatResponse]], error) {
			return genai.Open(ctx, func(ctx context.Context, yield func(job.Outcome[*genai.ChatResponse]) bool) error {
				return c.outcomes(ctx, ref, yield)
			})
		},
	}
}

const batches = "/messages/batches"

// submit sends a batch.
func (c *Client) submit(ctx context.Context, b *job.Bundle[*genai.ChatRequest]) (*job.Status, error) {
	return exchange.Dropping(c.Drop, b, func(b *job.Bundle[*genai.ChatRequest]) (*job.Status, error) { return c.submitted(ctx, b) })
}

func (c *Client) submitted(ctx context.Context, b *job.Bundle[*genai.ChatRequest]) (*job.Status, error) {
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
	if len(b.Metadata) > 0 {
		return nil, x.Refuse(genai.Unsupported, "metadata", "Anthropic has no such setting for batches")
	}
	type request struct {
		ID     string                     `json:"custom_id"`
		Params map[string]json.RawMessage `json:"params"`
	}
	requests := make([]request, 0, len(b.Requests))
	for _, key := range slices.Sorted(maps.Keys(b.Requests)) {
		if !fits(key) {
			return nil, x.Refuse(genai.InvalidRequest, "requests", "the key "+strconv.Quote(exchange.Clip(key, 100))+" is not 1 to 64 letters, digits, '_' and '-'")
		}
		draft := &exchange.Draft{}
		if _, err := c.through(draft).Complete(ctx, b.Requests[key]); draft.Body == nil {
			e := *genai.AsError(err)
			e.Op, e.Message = x.Op, "request "+strconv.Quote(key)+": "+e.Message
			return nil, &e
		}
		var params map[string]json.RawMessage
		if err := json.Unmarshal(draft.Body, &params); err != nil {
			return nil, x.Refuse(genai.Internal, "", "a request is not written as JSON")
		}
		delete(params, "stream") // a batch has no such setting to speak of
		requests = append(requests, request{key, params})
	}
	body, err := x.Body(struct {
		Requests []request `json:"requests"`
	}{requests}, nil)
	if err != nil {
		return nil, err
	}
	x.Texts = func(yield func(string)) {
		for _, req := range b.Requests {
			exchange.TextsOf(req)(yield)
		}
	}
	if err := c.post(ctx, x, batches, "application/json", body); err != nil {
		return nil, err
	}
	return status(ctx, x)
}

// fits reports whether the provider takes a key.
func fits(key string) bool {
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return key != "" && len(key) <= 64
}

// through returns a client like c that asks transport.
func (c *Client) through(transport http.RoundTripper) *Client {
	other := *c
	other.HTTP = &http.Client{Transport: transport}
	return &other
}

// find asks for something about a batch.
func (c *Client) find(ctx context.Context, op string, ref *job.Ref, rest string, ask func(x *exchange.Exchange, path string) error) (*exchange.Exchange, error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	x, err := c.begin(op)
	if err != nil {
		return nil, err
	}
	if ref == nil || !exchange.Named(ref.ID) {
		return nil, x.Refuse(genai.InvalidRequest, "id", "it names no job")
	}
	if err := ask(x, batches+"/"+ref.ID+rest); err != nil {
		return nil, err
	}
	return x, nil
}

func (c *Client) look(ctx context.Context, op string, ref *job.Ref) (*exchange.Exchange, *job.Status, error) {
	x, err := c.find(ctx, op, ref, "", func(x *exchange.Exchange, path string) error {
		return x.Get(ctx, path, c.header("application/json"))
	})
	if err != nil {
		return nil, nil, err
	}
	s, err := status(ctx, x)
	return x, s, err
}

func (c *Client) cancel(ctx context.Context, ref *job.Ref) (*job.Status, error) {
	x, err := c.find(ctx, "batch.cancel", ref, "/cancel", func(x *exchange.Exchange, path string) error {
		return x.Post(ctx, path, c.header("application/json"), nil)
	})
	if err != nil {
		return nil, err
	}
	return status(ctx, x)
}

// status reads the answer to an exchange about a batch. That a batch was cancelled, or has expired, shows in its counts: the
// provider's word for both is that it has ended.
func status(ctx context.Context, x *exchange.Exchange) (*job.Status, error) {
	data, err := x.Document(ctx)
	if err != nil {
		return nil, err
	}
	var b struct {
		ID      string
		Status  string     `json:"processing_status"`
		Created time.Time  `json:"created_at"`
		Expires time.Time  `json:"expires_at"`
		Ended   *time.Time `json:"ended_at"`
		Counts  struct {
			Processing, Succeeded, Errored, Canceled, Expired int
		} `json:"request_counts"`
		Error json.RawMessage
	}
	switch err := json.Unmarshal(data, &b); {
	case err != nil:
		return nil, x.Misread(data)
	case len(b.Error) > 0 && string(b.Error) != "null":
		return nil, x.Problem(data)
	case b.ID == "" || b.Status == "":
		return nil, x.Fail(genai.Malformed, "the answer is not a batch")
	}
	n := b.Counts
	s := &job.Status{
		ID: b.ID, State: job.Running, Raw: b.Status, Done: n.Succeeded, Failed: n.Errored + n.Canceled + n.Expired,
		Created: b.Created, Expires: b.Expires, RetryAfter: retryafter.Parse(x.Resp.Header, time.Now()),
	}
	s.Total = n.Processing + s.Done + s.Failed
	if b.Ended != nil {
		s.Ended = *b.Ended
	}
	switch {
	case b.Status == "canceling":
		s.State = job.Cancelling
	case b.Status != "ended":
	case n.Canceled > 0:
		s.State = job.Cancelled
	case n.Expired > 0:
		s.State = job.Expired
	default:
		s.State = job.Succeeded
	}
	return s, nil
}

// outcomes reads what has become of a batch. The provider also names a URL where that is; the key goes to no URL but ours.
func (c *Client) outcomes(ctx context.Context, ref *job.Ref, yield func(job.Outcome[*genai.ChatResponse]) bool) error {
	x, s, err := c.look(ctx, "batch.result", ref)
	if err != nil {
		return err
	}
	if !s.State.Over() {
		e := x.Fail(genai.Precondition, "job "+s.ID+" is not over yet")
		e.Code = exchange.Clip(s.Raw, 100)
		return e
	}
	file, err := c.find(ctx, "batch.result", ref, "/results", func(x *exchange.Exchange, path string) error {
		return x.Get(ctx, path, c.header("application/binary"))
	})
	if err != nil {
		return err
	}
	n := 0
	err = file.EachLine(ctx, func(line []byte) error {
		o, err := c.outcome(ctx, file, line)
		if err != nil {
			return err
		}
		if n++; !yield(o) {
			return io.EOF
		}
		return nil
	})
	switch {
	case err == io.EOF:
		return nil
	case err != nil:
		return err
	case n < s.Total:
		return file.Fail(genai.Truncated, fmt.Sprintf("the file of the batch has %d outcomes, and there are %d", n, s.Total))
	case n == 0:
		return file.Fail(genai.Empty, "the batch has ended, and has no outcome")
	}
	return nil
}

// outcome decodes a line of the file. An error is one of the file, and not of the request that the line is about.
func (c *Client) outcome(ctx context.Context, x *exchange.Exchange, text []byte) (o job.Outcome[*genai.ChatResponse], err error) {
	var line struct {
		Key    string `json:"custom_id"`
		Result struct {
			Type    string
			Message json.RawMessage
			Error   json.RawMessage
		}
	}
	if json.Unmarshal(text, &line) != nil || line.Key == "" {
		return o, x.Fail(genai.Malformed, "a line of the file is not an outcome")
	}
	o.Key = line.Key
	switch r := &line.Result; r.Type {
	case "succeeded":
		question := &genai.ChatRequest{Model: "?", Messages: []genai.Message{genai.User("?")}}
		o.Value, err = c.through(&exchange.Kept{Status: http.StatusOK, Body: r.Message}).Complete(ctx, question)
		if ended := genai.ContextError(ctx); ended != nil {
			return o, ended
		}
		if err != nil {
			o.Err = genai.AsError(err)
		}
	case "errored":
		o.Err = x.Outcome(r.Error)
		var envelope struct {
			ID string `json:"request_id"`
		}
		_ = json.Unmarshal(r.Error, &envelope) // what cannot be read names no request
		o.Err.RequestID = exchange.Clip(envelope.ID, 100)
		o.Err.Started = genai.StartedUnknown
	case "canceled":
		o.Err = x.Fail(genai.Cancelled, "the batch was cancelled before this request was begun")
		o.Err.Started, o.Err.RequestID = genai.StartedNo, ""
	case "expired":
		o.Err = x.Fail(genai.Timeout, "the batch expired before this request was begun")
		o.Err.Started, o.Err.RequestID = genai.StartedNo, ""
	default:
		o.Err = x.Fail(genai.Malformed, "the outcome is of a kind that this client does not know")
		o.Err.Code = exchange.Clip(r.Type, 100)
	}
	if o.Err != nil {
		o.Err.Op = "batch"
		o.Err.Status = 0 // that of the file, which is there
		if o.Err.Message == "" {
			o.Err.Message = "the provider does not say what went wrong"
		}
	}
	return o, nil
}
