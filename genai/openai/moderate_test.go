package openai_test

import (
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
)

func TestModerate(t *testing.T) {
	s := serve(t, fixed(200, "application/json", `{"id":"modr-1","model":"omni-moderation-2024","results":[{"flagged":true,
		"categories":{"violence":true,"hate":false,"illicit":null},"category_scores":{"violence":0.91,"hate":0.01},
		"category_applied_input_types":{"violence":["text"]}}]}`))
	got, err := s.client().Moderate(t.Context(), &genai.ModerationRequest{Text: "some text", Images: []genai.Blob{
		genai.NewBlob("image/png", []byte("png")), genai.BlobURL("image/png", "https://example.com/a.png", "")}})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Flagged || got.Reason != "violence" || got.Policy != "omni-moderation-2024" || len(got.Categories) != 3 {
		t.Errorf("%+v", got)
	}
	for i, want := range []genai.Category{{Name: "hate", Score: new(0.01)}, {Name: "illicit"}, {Name: "violence", Flagged: true, Score: new(0.91)}} {
		c := got.Categories[i]
		if c.Name != want.Name || c.Flagged != want.Flagged || (c.Score == nil) != (want.Score == nil) || c.Score != nil && *c.Score != *want.Score {
			t.Errorf("category %d is %+v, want %+v", i, c, want)
		}
	}
	parts := s.body["input"].([]any)
	if s.request.URL.Path != "/v1/moderations" || s.body["model"] != "m" || len(parts) != 3 ||
		parts[1].(map[string]any)["image_url"].(map[string]any)["url"] != "data:image/png;base64,cG5n" {
		t.Errorf("asked %s for %v", s.request.URL, s.body)
	}
}

func TestModerateText(t *testing.T) {
	s := serve(t, fixed(200, "application/json", `{"model":"mod","results":[{"flagged":false,"categories":{"hate":false}}]}`))
	got, err := s.client().Moderate(t.Context(), &genai.ModerationRequest{Text: "some text"})
	if err != nil || got.Flagged || got.Reason != "" || s.body["input"] != "some text" {
		t.Errorf("%+v, %v for %v", got, err, s.body)
	}
}

// TestModerateFailures: a check that failed is not a pass.
func TestModerateFailures(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		kind   genai.Kind
	}{
		"no results":           {200, `{"model":"m","results":[]}`, genai.Empty},
		"no verdict":           {200, `{"model":"m","results":[{"categories":{"hate":false}}]}`, genai.Malformed},
		"results of no sort":   {200, `{"results":[1]}`, genai.Malformed},
		"cut":                  {200, `{"model":"m","results":[{"flagged":fal`, genai.Truncated},
		"nothing":              {200, ``, genai.Truncated},
		"text":                 {200, `ok`, genai.Malformed},
		"an array":             {200, `[]`, genai.Malformed},
		"a web page":           {200, `<html>very secret text, all of it</html>`, genai.Malformed},
		"an error":             {200, `{"error":{"message":"no","code":"rate_limit_exceeded"}}`, genai.RateLimited},
		"an error in an array": {200, `[{"error":{"message":"no","code":"rate_limit_exceeded"}}]`, genai.RateLimited},
		"words":                {200, `{"detail":"no"}`, genai.ServerError},
		"refused":              {429, `{"error":{"message":"very secret text, all of it","code":"insufficient_quota"}}`, genai.QuotaExhausted},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, fixed(c.status, "application/json", c.body))
			got, err := s.client().Moderate(t.Context(), &genai.ModerationRequest{Text: "a very secret text, all of it"})
			if genai.KindOf(err) != c.kind || got != nil {
				t.Errorf("%+v, %v; want %s", got, err, c.kind)
			}
			if err != nil && strings.Contains(err.Error(), "very secret") {
				t.Errorf("the error quotes: %v", err)
			}
		})
	}
	s := serve(t, fixed(200, "application/json", `{}`))
	for name, req := range map[string]*genai.ModerationRequest{
		"nil": nil, "nothing": {}, "an empty picture": {Images: []genai.Blob{{}}},
	} {
		if _, err := s.client().Moderate(t.Context(), req); genai.KindOf(err) != genai.InvalidRequest || s.calls != 0 {
			t.Errorf("%s: %v, %d calls", name, err, s.calls)
		}
	}
}

var _ genai.Moderator = (&openai.Client{}).Moderate
