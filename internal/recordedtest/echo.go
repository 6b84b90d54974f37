package recordedtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// echoes are the forms in which servers report failures, with everything that they were sent in every place where there is text.
var echoes = map[string]func(quoted, text string) string{
	"OpenAI": func(q, _ string) string {
		return `{"error":{"message":` + q + `,"type":` + q + `,"param":` + q + `,"code":` + q + `}}`
	},
	"Google": func(q, _ string) string {
		return `{"error":{"code":400,"message":` + q + `,"status":` + q + `,"details":[{"reason":` + q + `,"fieldViolations":[{"field":` + q + `}]}]}}`
	},
	"Anthropic": func(q, _ string) string {
		return `{"type":"error","error":{"type":"invalid_request_error","message":` + q + `},"request_id":` + q + `}`
	},
	"a text": func(q, _ string) string { return `{"error":` + q + `}` },
	"a list": func(q, _ string) string { return `[{"error":{"message":` + q + `}}]` },
	"FastAPI": func(q, _ string) string {
		return `{"detail":[{"msg":` + q + `,"type":` + q + `,"loc":["body",` + q + `],"input":` + q + `}]}`
	},
	"no envelope": func(q, _ string) string { return `{"object":"error","message":` + q + `,"code":` + q + `}` },
	"cut":         func(q, _ string) string { return `{"error":{"message":` + q },
	"a page":      func(_, text string) string { return "<html><body>" + html.EscapeString(text) + "</body></html>" },
	"plain":       func(_, text string) string { return text },
	"an event": func(q, _ string) string {
		return "event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":" + q + ",\"type\":" + q + "}}\n\n"
	},
}

// CheckEcho calls every way with the URL and the client of a server that fails in every form and quotes what it was sent, headers
// included. No error may have one of the secrets in it, neither in its text nor in what it wraps, nor in what goes over a wire.
func CheckEcho(t *testing.T, secrets []string, ways map[string]func(url string, via *http.Client) error) {
	t.Helper()
	for form, body := range echoes {
		for _, status := range []int{200, 400, 401, 429, 500} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sent, _ := io.ReadAll(r.Body) // what arrives is quoted
				var headers strings.Builder
				_ = r.Header.Write(&headers)
				text := string(sent) + "\n" + headers.String()
				quoted, _ := json.Marshal(text)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body(string(quoted), text))
			}))
			for way, call := range ways {
				err := call(server.URL, server.Client())
				if err == nil {
					t.Errorf("%s, %s, %d: it counts as an answer", way, form, status)
				}
				for ; err != nil; err = errors.Unwrap(err) {
					wire, _ := json.Marshal(err)
					all := fmt.Sprintf("%v %+v %#v %q %s", err, err, err, err.Error(), wire)
					for _, secret := range secrets {
						if strings.Contains(all, secret) {
							t.Errorf("%s, %s, %d: %s", way, form, status, all)
						}
					}
				}
			}
			server.Close()
		}
	}
}

// Setting returns the name that a client is told to drop, of what an error has as its field.
func Setting(field string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(field, "[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, field, _ = strings.Cut(rest, "]")
	}
}
