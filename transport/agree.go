package transport

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/shape"
)

// A version is what a Spec knows about its own contract and those of others.
type version struct {
	once        sync.Once
	op          *shape.Op
	fingerprint string

	mu     sync.RWMutex
	agreed string // fingerprints of contracts that go together with ours, ours first
}

// maxAgreed is how many contracts are remembered that go together with ours. A service that is being replaced has two.
const maxAgreed = 8

// maxContract is how long a description may be, in bytes.
const maxContract = 256 << 10

func (s *Spec) describe() *version {
	v := &s.version
	v.once.Do(func() {
		v.op = shape.Describe(s.Name, string(s.Idempotency), s.Streams, s.request.typ, s.response.typ)
		v.fingerprint = v.op.Fingerprint()
		v.agreed = v.fingerprint
	})
	return v
}

// Fingerprint returns 16 characters that change with the contract: the name of the operation and the fields of its messages, with
// their types, as they travel.
func (s *Spec) Fingerprint() string { return s.describe().fingerprint }

// Contract returns the description of the operation, in JSON. Package transport/contract compares it with an older one.
func (s *Spec) Contract() []byte {
	v := s.describe()
	op := *v.op
	op.Version = v.fingerprint
	text, err := json.Marshal(op)
	if err != nil {
		panic(err) // there is nothing in it that could fail
	}
	return text
}

// Agreed returns the fingerprints of all contracts that are known to go together with that of the caller, who s belongs to,
// with commas between. A transport sends it along; a server whose own is not among them answers with its Contract instead of
// calling the handler.
func (s *Spec) Agreed() string {
	v := s.describe()
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.agreed
}

// Agree finds out whether the caller, who s belongs to, and a server can understand each other though their contracts differ, and
// remembers it if they can: fields that one of them does not know are left out, and those that it misses are zero. Otherwise
// the error is [genai.Precondition] and names both contracts by their fingerprints, and what clashes.
func (s *Spec) Agree(contract []byte) error {
	v := s.describe()
	theirs := &shape.Op{}
	if err := json.Unmarshal(contract, theirs); err != nil || len(contract) > maxContract || theirs.Request == "" || theirs.Response == "" {
		return &genai.Error{Kind: genai.Malformed, Started: genai.StartedNo, Message: "the server's contract cannot be understood"}
	}
	fingerprint := theirs.Version // and not what we would make of it: theirs may be made in another way
	if !isFingerprint(fingerprint) {
		return &genai.Error{Kind: genai.Malformed, Started: genai.StartedNo, Message: "the server's contract has no fingerprint"}
	}
	for _, c := range shape.Compare(v.op, theirs) {
		if c.Clash {
			return &genai.Error{Kind: genai.Precondition, Started: genai.StartedNo, Field: c.Where,
				Message: fmt.Sprintf("the caller's contract is %s, where it is %s; the server's is %s, where it is %s", v.fingerprint, c.Old, fingerprint, c.New)}
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if strings.Contains(v.agreed, fingerprint) {
		return nil
	}
	all := append(strings.Split(v.agreed, ","), fingerprint)
	if len(all) > maxAgreed {
		all = append(all[:1], all[2:]...) // ours stays
	}
	v.agreed = strings.Join(all, ",")
	return nil
}

func isFingerprint(text string) bool {
	return len(text) == 16 && strings.Trim(text, "0123456789abcdef") == ""
}
