package gemini_test

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

func TestEmbed(t *testing.T) {
	s := serve(t, fixed(200, "application/json", `{"embeddings":[{"values":[1,2]},{"values":[3,-4.5]}],"usageMetadata":{"promptTokenCount":5}}`))
	got, err := s.client().Embed(t.Context(), &genai.EmbedRequest{Input: []string{"a", "b"}, Dimensions: ptr(2), Task: "query"})
	want := &genai.Embeddings{Vectors: [][]float32{{1, 2}, {3, -4.5}}, Usage: &genai.Usage{Input: 5}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	one := func(text string) string {
		return `{"model":"models/m","content":{"parts":[{"text":"` + text + `"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":2}`
	}
	if want := `{"requests":[` + one("a") + `,` + one("b") + `]}`; s.body != want || s.request.URL.Path != "/v1beta/models/m:batchEmbedContents" {
		t.Errorf("asked %s for %s", s.request.URL, s.body)
	}

	s = serve(t, fixed(200, "application/json", `{"embedding":{"values":[1,2]}}`))
	got, err = s.client().Embed(t.Context(), &genai.EmbedRequest{Model: "e", Input: []string{"a"}, Task: "document"})
	if err != nil || !reflect.DeepEqual(got, &genai.Embeddings{Vectors: [][]float32{{1, 2}}}) {
		t.Errorf("%+v, %v", got, err)
	}
	if want := `{"model":"models/e","content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_DOCUMENT"}`; s.body != want || s.request.URL.Path != "/v1beta/models/e:embedContent" {
		t.Errorf("asked %s for %s", s.request.URL, s.body)
	}
}

func TestBadVectors(t *testing.T) {
	for body, kind := range map[string]genai.Kind{
		`{"embeddings":[{"values":[1,2]}]}`:                       genai.Malformed,
		`{"embeddings":[{"values":[1,2]},{"values":[3]}]}`:        genai.Malformed,
		`{"embeddings":[{"values":[1,2]},{}]}`:                    genai.Malformed,
		`{"embeddings":[{"values":["x"]}]}`:                       genai.Malformed,
		`{}`:                                                      genai.Empty,
		`{"embeddings":[{"values":[1,2,3]},{"values":[1,2,3]}]}`:  genai.Unsupported,
		`{"embeddings":[{"values":[1`:                             genai.Truncated,
		`<html>`:                                                  genai.Malformed,
		`[{"error":{"status":"UNAVAILABLE","message":"m"}}]`:      genai.Overloaded,
		`{"error":{"status":"RESOURCE_EXHAUSTED","message":"m"}}`: genai.RateLimited,
	} {
		s := serve(t, fixed(200, "application/json", body))
		got, err := s.client().Embed(t.Context(), &genai.EmbedRequest{Input: []string{"a", "b"}, Dimensions: ptr(2)})
		if genai.KindOf(err) != kind || got != nil {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	s := serve(t, fixed(404, "application/json", `{"error":{"status":"NOT_FOUND"}}`))
	for kind, req := range map[genai.Kind]*genai.EmbedRequest{
		genai.NotFound: {Input: []string{"a"}}, genai.InvalidRequest: {}, genai.Unsupported: {Input: []string{"a"}, EndUser: "e"},
	} {
		if _, err := s.client().Embed(t.Context(), req); genai.KindOf(err) != kind {
			t.Errorf("%v, want %s", err, kind)
		}
	}
}

// TestHints: what an error carries beside its kind.
func TestHints(t *testing.T) {
	const retry = `{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"36.5s"}`
	perDay := `{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]}`
	for name, c := range map[string]struct {
		header, details string
		status          int
		code            string
		wait            time.Duration
		field           string
	}{
		"the delay in the details":       {details: retry, status: 429, code: "RESOURCE_EXHAUSTED", wait: 36500 * time.Millisecond},
		"the delay in the header":        {header: "7", details: retry, status: 429, code: "RESOURCE_EXHAUSTED", wait: 7 * time.Second},
		"no delay brings the day round":  {details: retry + "," + perDay, status: 429, code: "RESOURCE_EXHAUSTED"},
		"no delay helps a wrong request": {details: retry, status: 400, code: "INVALID_ARGUMENT"},
		"which field":                    {details: `{"fieldViolations":[{"field":"contents[0].parts"}]}`, status: 400, code: "INVALID_ARGUMENT", field: "contents[0].parts"},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if c.header != "" {
				w.Header().Set("Retry-After", c.header)
			}
			fixed(c.status, "application/json", `{"error":{"code":400,"message":"m","status":"`+c.code+`","details":[`+c.details+`]}}`)(w, r)
		})
		_, err := s.client().Chat(t.Context(), ask)
		if e := genai.AsError(err); e.RetryAfter != c.wait || e.Field != c.field || e.Status != c.status || e.Code != c.code {
			t.Errorf("%s: %+v", name, e)
		}
	}
}
