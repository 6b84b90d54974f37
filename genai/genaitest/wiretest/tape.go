package wiretest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// A tape is one exchange as it stands in a file, on a line of its own.
type tape struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`              // with the query, without the host
	Request json.RawMessage   `json:"request"`           // null: it had no body, or one that is no JSON
	Form    string            `json:"form,omitzero"`     // a hash of a body that is no JSON
	Status  int               `json:"status,omitzero"`   // 0: there was no response, see Failure
	Headers map[string]string `json:"headers,omitzero"`  // of the response
	Wait    float64           `json:"wait_ms,omitzero"`  // until the headers came
	Chunks  []tapeChunk       `json:"chunks,omitzero"`   // the body as it was read
	Body    string            `json:"body,omitzero"`     // instead of Chunks, where nobody knows them
	BodyB64 []byte            `json:"body_b64,omitzero"` // instead of Body
	End     float64           `json:"end_ms,omitzero"`   // when it ended, since the headers
	Cut     bool              `json:"cut,omitzero"`      // the body broke off
	Left    bool              `json:"left,omitzero"`     // the client read no further
	Failure string            `json:"failure,omitzero"`  // why there was no response
}

// A tapeChunk is what one read of the body returned.
type tapeChunk struct {
	At   float64 `json:"ms"` // since the headers
	Text string  `json:"text,omitzero"`
	B64  []byte  `json:"b64,omitzero"` // instead of Text, where that is not UTF-8
}

func chunkOf(at float64, raw []byte) tapeChunk {
	if utf8.Valid(raw) {
		return tapeChunk{At: at, Text: string(raw)}
	}
	return tapeChunk{At: at, B64: bytes.Clone(raw)}
}

func (c tapeChunk) bytes() []byte {
	if c.B64 != nil {
		return c.B64
	}
	return []byte(c.Text)
}

// keptHeaders are what a client may base a decision on. Everything else may tell who recorded it.
var keptHeaders = regexp.MustCompile(`(?i)^(content-type|retry-after(-ms)?|x-should-retry|x-request-id|request-id|(x|anthropic)-ratelimit-.*)$`)

// secretHeaders are where keys are sent.
var secretHeaders = []string{"Authorization", "Api-Key", "X-Api-Key", "X-Goog-Api-Key", "Proxy-Authorization", "Cookie"}

// likeKeys finds what looks like a key wherever it stands.
var likeKeys = regexp.MustCompile(`\b(?:sk|rk|pk)-[A-Za-z0-9_-]{16,}|\bAIza[A-Za-z0-9_-]{20,}|\b(?:gsk|hf|ghp|xai|key)[_-][A-Za-z0-9]{20,}|\bBearer [A-Za-z0-9._~+/-]{8,}=*|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`)

// A scrubber takes secrets out of texts.
type scrubber struct{ secrets []string }

// scrubberOf knows the secrets of a request, and those it is given.
func scrubberOf(req *http.Request, more []string) *scrubber {
	s := &scrubber{}
	add := func(text string) {
		if len(text) >= 4 { // what is shorter stands everywhere
			s.secrets = append(s.secrets, text)
		}
	}
	for _, text := range more {
		add(text)
	}
	for _, name := range secretHeaders {
		for _, value := range req.Header.Values(name) {
			add(strings.TrimPrefix(strings.TrimPrefix(value, "Bearer "), "Basic "))
		}
	}
	for name, values := range req.URL.Query() {
		if secretParameter(name) {
			for _, value := range values {
				add(value)
			}
		}
	}
	return s
}

func secretParameter(name string) bool {
	switch strings.ToLower(name) {
	case "key", "api_key", "apikey", "api-key", "token", "access_token", "sig", "signature":
		return true
	}
	return false
}

// scrub replaces secrets by as many bytes, so that what is cut into chunks stays where it is.
func (s *scrubber) scrub(text []byte) []byte {
	hide := func(secret []byte) []byte {
		const mark = "REDACTED"
		return []byte((mark + strings.Repeat("X", max(0, len(secret)-len(mark))))[:len(secret)])
	}
	text = bytes.Clone(text)
	for _, secret := range s.secrets {
		text = bytes.ReplaceAll(text, []byte(secret), hide([]byte(secret)))
		if quoted, err := json.Marshal(secret); err == nil { // as it stands inside of JSON
			inside := quoted[1 : len(quoted)-1]
			text = bytes.ReplaceAll(text, inside, hide(inside))
		}
	}
	return likeKeys.ReplaceAllFunc(text, hide)
}

// path returns path and query without secrets.
func (s *scrubber) path(u *url.URL) string {
	path := u.EscapedPath()
	if query := u.Query(); len(query) > 0 {
		for name, values := range query {
			for i := range values {
				if secretParameter(name) {
					values[i] = "REDACTED"
				}
			}
		}
		path += "?" + query.Encode()
	}
	return string(s.scrub([]byte(path)))
}

// begin makes the tape of a request, whose body was read.
func begin(req *http.Request, body []byte, s *scrubber) *tape {
	t := &tape{Method: req.Method, Path: s.path(req.URL), Request: json.RawMessage("null")}
	switch {
	case len(body) == 0:
	case json.Valid(body):
		t.Request = canonical(s.scrub(body))
	default:
		t.Form = fingerprint(req.Header.Get("Content-Type"), body)
	}
	return t
}

// canonical writes a document with its keys in order and without spaces, so that it can be compared.
func canonical(text []byte) json.RawMessage {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return json.RawMessage("null")
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSpace(b.Bytes())
}

// same reports whether a recorded exchange is for the same request as t.
func (t *tape) same(recorded *tape) bool {
	return t.Method == recorded.Method && t.Path == recorded.Path && t.Form == recorded.Form &&
		bytes.Equal(t.Request, canonical(recorded.Request))
}

func (t *tape) name() string { return fmt.Sprintf("%s %s", t.Method, t.Path) }
