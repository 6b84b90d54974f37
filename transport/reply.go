package transport

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dovetail-go/dovetail/genai"
)

// What was tried travels as a pair of its own, with the last of the attempts if they are many.
const (
	attempts     = reserved + "attempts"
	mostAttempts = 16
	mostTried    = 4 << 10 // bytes
)

// note makes what is tried under ctx known to the reply.
func (r *Reply) note(ctx context.Context) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried = &genai.Ledger{Context: ctx}
	return r.tried
}

// Last returns all pairs as they travel when the response is over, with what was tried. It is for transports, and for one time
// per call.
func (r *Reply) Last() map[string]string {
	pairs := r.All()
	tried := r.Attempts()
	for tried = tried[max(0, len(tried)-mostAttempts):]; len(tried) > 0; tried = tried[1:] {
		if text := encodeAttempts(tried); len(text) <= mostTried {
			if pairs == nil {
				pairs = map[string]string{}
			}
			pairs[attempts] = text
			break
		}
	}
	return pairs
}

// Arrive takes the pairs that have come back, for transports. What breaks the rules, which our own servers keep, is left out:
// it must not cost the caller an answer that was paid for.
func (r *Reply) Arrive(pairs map[string]string) {
	if r == nil {
		return
	}
	for name, value := range pairs {
		if name != attempts {
			_ = r.Set(name, value)
			continue
		}
		var tried []genai.Attempt
		if len(value) <= mostTried && json.Unmarshal([]byte(value), &tried) == nil {
			r.mu.Lock()
			ledger := r.tried
			r.mu.Unlock()
			ledger.Add(tried[max(0, len(tried)-mostAttempts):]...)
		}
	}
}

// encodeAttempts writes attempts in printable ASCII, as metadata has to be.
func encodeAttempts(tried []genai.Attempt) string {
	text, err := json.Marshal(tried)
	if err != nil {
		return "" // there is nothing in them that cannot be written
	}
	plain := make([]byte, 0, len(text))
	for _, r := range string(text) {
		switch {
		case r < 0x7f:
			plain = append(plain, byte(r))
		case r <= 0xffff:
			plain = fmt.Appendf(plain, "\\u%04x", r)
		default:
			r -= 0x10000
			plain = fmt.Appendf(plain, "\\u%04x\\u%04x", 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
	return string(plain)
}
