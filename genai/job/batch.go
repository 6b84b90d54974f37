package job

import "github.com/dovetail-go/dovetail/genai"

// A Batch is a place where many requests are worked on together, for less money and whenever there is room.
//
// Outcomes come in any order. A request that was never begun, because the batch was cancelled or expired before, may have no
// Outcome: then the stream ends with the [Status.Failure] of the batch, behind all that there are.
type Batch[Req, Resp any] = Service[*Bundle[Req], *genai.Stream[Outcome[Resp]]]

// A Bundle is many requests. Each has a key of the caller's, by which its [Outcome] is found again, also by a process that
// knows nothing but the ID of the batch. Letters, digits, '_' and '-', at most 64, are a key for all providers.
type Bundle[Req any] struct {
	Requests map[string]Req    `json:"requests,omitzero"`
	Metadata map[string]string `json:"metadata,omitzero"` // kept by the provider beside the batch
}

// An Outcome is what became of one request of a Bundle: a value, or an error.
type Outcome[T any] struct {
	Key   string       `json:"key"` // under which the request was submitted
	Value T            `json:"value,omitzero"`
	Err   *genai.Error `json:"error,omitzero"` // nil: Value is the answer. Its Message may quote the request
}
