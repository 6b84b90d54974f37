package genai

import (
	"encoding/json"
	"time"
)

// errorJSON is an Error as a part of a message: what became of one request of many, say. The names are those of an error
// that ends a call.
type errorJSON struct {
	Kind       Kind      `json:"kind"`
	Op         string    `json:"op,omitzero"`
	Target     string    `json:"target,omitzero"`
	Reason     string    `json:"reason,omitzero"`
	Message    string    `json:"detail,omitzero"`
	Field      string    `json:"field,omitzero"`
	Status     int       `json:"provider_status,omitzero"`
	Code       string    `json:"code,omitzero"`
	RequestID  string    `json:"request_id,omitzero"`
	RetryAfter int64     `json:"retry_after_ms,omitzero"` // rounded up
	Started    Started   `json:"started,omitzero"`
	Final      bool      `json:"final,omitzero"`
	Attempts   []Attempt `json:"attempts,omitzero"`
}

// MarshalJSON encodes an Error that is a part of a message or of a file, such as the failure of one request of many. Its
// cause stays behind; the text of the cause becomes the message, if there is no other.
func (e *Error) MarshalJSON() ([]byte, error) {
	j := errorJSON{
		Kind: e.Kind, Op: e.Op, Target: e.Target, Reason: e.Reason, Message: e.Message, Field: e.Field, Status: e.Status,
		Code: e.Code, RequestID: e.RequestID, Started: e.Started, Final: e.Final, Attempts: e.Attempts,
		RetryAfter: int64((max(e.RetryAfter, 0) + time.Millisecond - 1) / time.Millisecond),
	}
	if e.RetryAfter > maxWait {
		j.RetryAfter = int64(maxWait / time.Millisecond)
	}
	if j.Message == "" && e.Err != nil {
		j.Message = e.Err.Error()
	}
	return json.Marshal(j)
}

// maxWait is the longest wait that is a whole number of milliseconds.
const maxWait = 1<<63 - 1 - (1<<63-1)%time.Millisecond

// UnmarshalJSON decodes what MarshalJSON encodes. A Kind that we do not know, from a newer program, becomes [Unknown]. The
// Error is Remote: it was made by somebody else.
func (e *Error) UnmarshalJSON(text []byte) error {
	var j errorJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*e = Error{
		Kind: j.Kind, Op: j.Op, Target: j.Target, Reason: j.Reason, Message: j.Message, Field: j.Field, Status: j.Status,
		Code: j.Code, RequestID: j.RequestID, Started: j.Started, Final: j.Final, Attempts: j.Attempts, Remote: true,
		RetryAfter: time.Duration(min(max(j.RetryAfter, 0), int64(maxWait/time.Millisecond))) * time.Millisecond,
	}
	if !e.Kind.Known() {
		e.Kind = Unknown
	}
	if e.Started != StartedNo && e.Started != StartedYes {
		e.Started = StartedUnknown
	}
	return nil
}
