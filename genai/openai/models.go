package openai

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A Model is a model that the server has.
type Model struct {
	ID       string    `json:"id"`
	Owner    string    `json:"owner,omitzero"`
	Created  time.Time `json:"created,omitzero"`
	Shutdown time.Time `json:"shutdown,omitzero"` // when it goes out of service; zero: the server did not say
	Window   int       `json:"window,omitzero"`   // tokens that it can hold; 0: the server did not say, as OpenAI itself does not
}

// Models lists the models that the key may use, as they come. Most servers have one page of them.
func (c *Client) Models(ctx context.Context) (*genai.Stream[Model], error) {
	return pages(ctx, c, "models", "/models", "", "", url.Values{}, func(raw json.RawMessage) (Model, string, error) {
		var m struct {
			ID       string
			Created  float64         // some send it with a fraction
			Owner    string          `json:"owned_by"`
			Shutdown json.RawMessage `json:"shutdown_date"`
			// The window has a name of its own at each kind of server.
			VLLM    int `json:"max_model_len"`
			Groq    int `json:"context_window"`
			Router  int `json:"context_length"`
			Mistral int `json:"max_context_length"`
			Meta    struct {
				LlamaCPP int `json:"n_ctx"`
			}
		}
		err := json.Unmarshal(raw, &m)
		window := max(m.VLLM, m.Groq, m.Router, m.Mistral, m.Meta.LlamaCPP)
		return Model{m.ID, m.Owner, unix(int64(m.Created)), date(m.Shutdown), window}, m.ID, err
	})
}

// date reads a day, a time, or seconds since 1970.
func date(raw json.RawMessage) time.Time {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		var seconds float64
		if json.Unmarshal(raw, &seconds) != nil {
			return time.Time{}
		}
		return unix(int64(seconds))
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
