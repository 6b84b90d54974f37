package gemini_test

import (
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

// TestBareStatuses: whoever stands before the server, such as a proxy, has only a status to say what is the matter.
func TestBareStatuses(t *testing.T) {
	for status, kind := range map[int]genai.Kind{
		400: genai.InvalidRequest, 401: genai.Unauthenticated, 402: genai.QuotaExhausted, 403: genai.PermissionDenied, 404: genai.NotFound,
		405: genai.Unimplemented, 408: genai.Timeout, 409: genai.Conflict, 410: genai.NotFound, 413: genai.TooLarge, 418: genai.InvalidRequest,
		422: genai.InvalidRequest, 429: genai.RateLimited, 498: genai.Overloaded, 500: genai.ServerError, 501: genai.Unimplemented,
		502: genai.ServerError, 503: genai.Overloaded, 504: genai.Timeout, 520: genai.ServerError, 526: genai.ServerError, 529: genai.Overloaded,
	} {
		for _, body := range []string{"", "<html>my very secret question, 429 rate limit, quota</html>", "null", "{}", "[]", "\xff\x00", `{"error":`} {
			_, err := serve(t, fixed(status, "text/plain", body)).client().Complete(t.Context(), ask)
			if e := genai.AsError(err); e == nil || e.Kind != kind || e.Status != status || strings.Contains(e.Error(), "secret") {
				t.Errorf("%d %q: %v, want %s", status, body, err, kind)
			}
		}
	}
}

// TestErrorsInside: a failure in the middle of a stream has no status, but often says which one it would have had.
func TestErrorsInside(t *testing.T) {
	for failure, kind := range map[string]genai.Kind{
		`{"error":{"code":503,"message":"m"}}`:                               genai.Overloaded,
		`{"error":{"code":429,"message":"m"}}`:                               genai.RateLimited,
		`{"error":{"code":500,"message":"m","status":"INTERNAL"}}`:           genai.ServerError,
		`{"error":{"code":499,"message":"m","status":"CANCELLED"}}`:          genai.ServerError,
		`{"error":{"message":"m"}}`:                                          genai.ServerError,
		`{"error":{"code":"x","message":"m","status":"RESOURCE_EXHAUSTED"}}`: genai.RateLimited,
	} {
		_, err := all(serve(t, stream(hello, failure)).client().Chat(t.Context(), ask))
		if e := genai.AsError(err); e == nil || e.Kind != kind || e.Started != genai.StartedYes {
			t.Errorf("%s: %v, want %s", failure, err, kind)
		}
	}
}

// TestErrorsAreShort: what a server says is bounded, and what it quotes of keys and prompts is gone.
func TestErrorsAreShort(t *testing.T) {
	const prompt = "What is the answer to my very secret question?"
	for name, body := range map[string]string{
		"a long message": `{"error":{"message":"` + strings.Repeat("no ", 1<<20) + `"}}`,
		"a long text":    `{"error":"` + strings.Repeat("no ", 1<<15) + `"}`,
		"a long page":    "<html>" + strings.Repeat("no ", 1<<20),
		"the key":        `{"error":{"message":"invalid key sk-secret-key, Bearer sk-secret-key","status":"INVALID_ARGUMENT"}}`,
		"the prompt":     `{"error":{"message":"cannot answer '` + prompt + `'","type":"invalid_request_error"}}`,
		"a part of it":   `{"error":{"message":"near 'my very secret question' in ` + strings.Repeat("x", 900) + `"}}`,
		"a text":         `{"error":"` + prompt + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, status := range []int{200, 400, 401, 500} {
				_, err := serve(t, fixed(status, "application/json", body)).client().Complete(t.Context(), ask)
				if err == nil {
					t.Fatal("it counts as an answer")
				}
				if text := err.Error(); len(text) > 1000 || strings.Contains(text, "secret") {
					t.Errorf("%d: %d bytes: %.1000s", status, len(text), text)
				}
			}
		})
	}
}
