package transport

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"

	"github.com/dovetail-go/dovetail/genai"
)

// A record is what a [Store] holds of a keyed call: a head in JSON with its length in front, and then, if the call is over
// and its result was kept, the messages that came of it, each with the number and the lengths of its parts. All numbers are
// unsigned varints. A record may be cut after its head.
type record struct {
	recordHead
	messages []Message
	kept     bool // the messages are there
}

type recordHead struct {
	Request  string            `json:"request"`          // the hash of the request
	Done     bool              `json:"done,omitzero"`    // otherwise it is a mark: somebody works on it, or has left it behind
	Problem  *Problem          `json:"problem,omitzero"` // what the call failed with
	Metadata map[string]string `json:"metadata,omitzero"`
}

// maxRecord is how large a result may be that is kept, in bytes.
const maxRecord = 16 << 20

// recordCost is what a message costs that is empty.
const recordCost = 64

func (r *record) encode() ([]byte, error) {
	head, err := json.Marshal(r.recordHead)
	if err != nil {
		return nil, err
	}
	out := appendBytes(nil, head)
	if !r.kept {
		return out, nil
	}
	out = binary.AppendUvarint(out, uint64(len(r.messages)))
	for _, m := range r.messages {
		out = binary.AppendUvarint(appendBytes(out, m.Head), uint64(len(m.Parts)))
		for _, p := range m.Parts {
			out = appendBytes(out, p)
		}
	}
	return out, nil
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// headOf returns the head of an encoded record, which is a record too.
func headOf(encoded []byte) []byte {
	r := recordReader{rest: encoded}
	if _, ok := r.bytes(); !ok {
		return encoded
	}
	return bytes.Clone(encoded[:len(encoded)-len(r.rest)])
}

// decodeRecord shares the bytes of encoded.
func decodeRecord(encoded []byte) (*record, error) {
	broken := genai.Errorf(genai.Internal, "the store of results holds something else than a result")
	r, in := &record{}, recordReader{rest: encoded}
	head, ok := in.bytes()
	if !ok || json.Unmarshal(head, &r.recordHead) != nil || r.Request == "" {
		return nil, broken
	}
	if len(in.rest) == 0 {
		return r, nil
	}
	r.kept = true
	n, ok := in.count()
	for ; ok && n > 0; n-- {
		var m Message
		var parts uint64
		if m.Head, ok = in.bytes(); !ok {
			break
		}
		if parts, ok = in.count(); !ok {
			break
		}
		for range parts {
			var p []byte
			if p, ok = in.bytes(); !ok {
				break
			}
			m.Parts = append(m.Parts, p)
		}
		r.messages = append(r.messages, m)
	}
	if !ok || len(in.rest) > 0 {
		return nil, broken
	}
	return r, nil
}

type recordReader struct{ rest []byte }

// count returns a number of things that take a byte each at least.
func (r *recordReader) count() (uint64, bool) {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > uint64(len(r.rest)-size) {
		return 0, false
	}
	r.rest = r.rest[size:]
	return n, true
}

func (r *recordReader) bytes() ([]byte, bool) {
	n, ok := r.count()
	if !ok {
		return nil, false
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b, true
}

// hashOf returns what tells one request from another.
func hashOf(m Message) string {
	h := sha256.New()
	var length [binary.MaxVarintLen64]byte
	add := func(b []byte) {
		h.Write(length[:binary.PutUvarint(length[:], uint64(len(b)))])
		h.Write(b)
	}
	add(m.Head)
	for _, p := range m.Parts {
		add(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}
