package exchange

import (
	"reflect"
	"slices"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

// TestDropping: what a server lacks is left out if that is asked for, and only then, and only that.
func TestDropping(t *testing.T) {
	n := 5
	full := func() *genai.ChatRequest {
		return &genai.ChatRequest{
			Model: "m", TopK: &n, EndUser: "u", Reasoning: &genai.ReasoningOptions{Effort: "low", MaxTokens: &n},
			Messages: []genai.Message{{Role: genai.RoleUser, Name: "a", Parts: []genai.Part{{Text: "x"}}}, {Role: genai.RoleUser, Parts: []genai.Part{{Text: "y"}}}},
		}
	}
	refuse := func(fields ...string) func(*genai.ChatRequest) (*genai.ChatRequest, error) {
		return func(req *genai.ChatRequest) (*genai.ChatRequest, error) {
			for _, field := range fields {
				if field == "top_k" && req.TopK != nil || field == "messages[0].name" && req.Messages[0].Name != "" ||
					field == "reasoning.max_tokens" && req.Reasoning.MaxTokens != nil || field == "messages[1].parts[0]" && len(req.Messages[1].Parts) > 0 || field == "nothing" || field == "seed" {
					return nil, &genai.Error{Kind: genai.Unsupported, Field: field, Started: genai.StartedNo}
				}
			}
			return req, nil
		}
	}
	for name, c := range map[string]struct {
		drop, lacks []string
		refused     string
		change      func(*genai.ChatRequest)
	}{
		"nothing is lacking":      {[]string{"top_k"}, nil, "", func(*genai.ChatRequest) {}},
		"not asked for":           {nil, []string{"top_k"}, "top_k", nil},
		"another one":             {[]string{"seed"}, []string{"top_k"}, "top_k", nil},
		"a setting":               {[]string{"top_k"}, []string{"top_k"}, "", func(r *genai.ChatRequest) { r.TopK = nil }},
		"one inside":              {[]string{"reasoning.max_tokens"}, []string{"reasoning.max_tokens"}, "", func(r *genai.ChatRequest) { r.Reasoning.MaxTokens = nil }},
		"one of each message":     {[]string{"messages.name"}, []string{"messages[0].name"}, "", func(r *genai.ChatRequest) { r.Messages[0].Name = "" }},
		"several":                 {[]string{"messages.name", "top_k"}, []string{"top_k", "messages[0].name"}, "", func(r *genai.ChatRequest) { r.TopK, r.Messages[0].Name = nil, "" }},
		"what is said":            {[]string{"messages.parts"}, []string{"messages[1].parts[0]"}, "messages[1].parts[0]", nil},
		"what is not there":       {[]string{"nothing"}, []string{"nothing"}, "nothing", nil},
		"what is there no longer": {[]string{"seed"}, []string{"seed"}, "seed", nil},
	} {
		req := full()
		got, err := Dropping(c.drop, req, refuse(c.lacks...))
		if (err == nil) != (c.refused == "") || err != nil && genai.AsError(err).Field != c.refused {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			want := full()
			c.change(want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
		if !reflect.DeepEqual(req, full()) {
			t.Errorf("%s: the caller's request was changed", name)
		}
	}
	calls := 0
	_, err := Dropping([]string{"top_k"}, full(), func(*genai.ChatRequest) (int, error) {
		calls++
		return 0, &genai.Error{Kind: genai.Unsupported, Field: "top_k", Started: genai.StartedYes}
	})
	if err == nil || calls != 1 {
		t.Errorf("what has begun was repeated: %d calls, %v", calls, err)
	}
	var none *genai.EmbedRequest
	if _, err := Dropping([]string{"task"}, none, func(r *genai.EmbedRequest) (int, error) { return 1, nil }); err != nil {
		t.Error(err)
	}
	if !slices.Equal(numbers.FindAllString("a[0].b[12]", -1), []string{"[0]", "[12]"}) {
		t.Error("numbers")
	}
}
