package wiretest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
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
	Left    bool              `json:"left,omitzero"`     // the client read no further, or did not wait for the headers
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

// secretHeaders are where keys are sent; mayBeSecret are names of headers in which one may stand.
var (
	secretHeaders = []string{"Authorization", "Api-Key", "X-Api-Key", "X-Goog-Api-Key", "Proxy-Authorization", "X-Auth-Token", "X-Amz-Security-Token"}
	mayBeSecret   = regexp.MustCompile(`(?i)auth|key|token|secret|password|cookie|credential`)
)

// likeKeys finds what looks like a key, or like the name of an account, wherever it stands.
var likeKeys = regexp.MustCompile(`\b(?:sk|rk|pk)[-_][A-Za-z0-9_-]{16,}|\bAIza[A-Za-z0-9_-]{20,}|\bya29\.[A-Za-z0-9_-]{20,}|\bAKIA[A-Z0-9]{16}\b` +
	`|\b(?:gsk|hf|ghp|github_pat|xai|key|nvapi|pplx|r8|csk|fw)[_-][A-Za-z0-9_]{20,}|\b(?:org-|proj_)[A-Za-z0-9]{16,}` +
	`|\bBearer [A-Za-z0-9._~+/-]{8,}=*|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`)

// A scrubber takes secrets out of texts.
type scrubber struct{ secrets []string } // the longest first, since one may be a part of another

// scrubberOf knows the secrets of a request, and those it is given.
func scrubberOf(req *http.Request, more []string) *scrubber {
	s := &scrubber{}
	add := func(text string, least int) {
		if len(text) >= least { // what is shorter stands everywhere
			s.secrets = append(s.secrets, text)
		}
	}
	const short, guessed = 4, 12
	for _, text := range more {
		add(text, short)
	}
	for name, values := range req.Header {
		least := guessed
		if slices.Contains(secretHeaders, http.CanonicalHeaderKey(name)) {
			least = short
		} else if !mayBeSecret.MatchString(name) {
			continue
		}
		for _, value := range values {
			if scheme, rest, ok := strings.Cut(value, " "); ok && !strings.ContainsAny(scheme, "=;,") {
				value = rest
			}
			add(value, least)
			for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return strings.ContainsRune("; ,", r) }) {
				if _, inside, ok := strings.Cut(part, "="); ok { // a cookie, or a signature among other fields
					add(inside, guessed)
				}
			}
		}
	}
	if _, password, ok := req.BasicAuth(); ok {
		add(password, short)
	}
	if password, ok := req.URL.User.Password(); ok {
		add(password, short)
	}
	for name, values := range req.URL.Query() {
		if secretParameter(name) {
			for _, value := range values {
				add(value, short)
			}
		}
	}
	slices.SortFunc(s.secrets, func(a, b string) int { return len(b) - len(a) })
	return s
}

func secretParameter(name string) bool {
	switch strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(name), "x-amz-"), "x-goog-") {
	case "key", "api_key", "apikey", "api-key", "subscription-key", "token", "access_token", "security-token", "sig", "signature", "credential",
		"auth", "secret", "client_secret", "password":
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
		for _, written := range spellings(secret) {
			text = bytes.ReplaceAll(text, []byte(written), hide([]byte(written)))
		}
	}
	return likeKeys.ReplaceAllFunc(text, hide)
}

// spellings are the ways in which a text stands inside of JSON and of a URL, where they differ from the text itself.
func spellings(secret string) []string {
	all := []string{url.QueryEscape(secret), url.PathEscape(secret)}
	if quoted, err := json.Marshal(secret); err == nil {
		inside := string(quoted[1 : len(quoted)-1])
		all = append(all, inside, strings.ReplaceAll(inside, "/", `\/`))
	}
	return slices.DeleteFunc(all, func(written string) bool { return written == secret })
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

// same reports whether a recorded exchange is for the same request as t, which is scrubbed. What others recorded may not be.
func (t *tape) same(recorded *tape) bool {
	var s scrubber
	return t.Method == recorded.Method && t.Path == string(s.scrub([]byte(recorded.Path))) && t.Form == recorded.Form &&
		bytes.Equal(t.Request, canonical(s.scrub(recorded.Request)))
}

func (t *tape) name() string { return fmt.Sprintf("%s %s", t.Method, t.Path) }
