package anthropic

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A Model is a model that the server has.
type Model struct {
	ID      string    `json:"id"`
	Name    string    `json:"name,omitzero"` // for people
	Created time.Time `json:"created,omitzero"`
	Window  int       `json:"window,omitzero"`  // the longest prompt, in tokens; 0: the server did not say
	Longest int       `json:"longest,omitzero"` // the longest answer, in tokens; 0: the server did not say
}

// maxPages bounds a list, against servers whose pages go in a circle.
const maxPages = 10_000

// Models lists the models that the key may use, the newest first, as they come page by page.
func (c *Client) Models(ctx context.Context) (*genai.Stream[Model], error) {
	return genai.Open(ctx, func(ctx context.Context, yield func(Model) bool) error {
		after := ""
		for range maxPages {
			next, err := c.models(ctx, after, yield)
			if err != nil || next == "" {
				return err
			}
			after = next
		}
		return genai.Errorf(genai.Malformed, "the list has more than %d pages", maxPages)
	})
}

// models reads one page, and returns behind which model the next one begins; "" if there is none, or nobody wants it.
func (c *Client) models(ctx context.Context, after string, yield func(Model) bool) (next string, err error) {
	x, err := c.begin("models")
	if err != nil {
		return "", err
	}
	query := url.Values{"limit": {"1000"}} // as many as there may be on a page
	if after != "" {
		query.Set("after_id", after)
	}
	if x.Base.RawQuery != "" {
		x.Base.RawQuery += "&"
	}
	x.Base.RawQuery += query.Encode()
	if err := x.Get(ctx, "/models", c.header("application/json")); err != nil {
		return "", err
	}
	data, err := x.Document(ctx)
	if err != nil {
		return "", err
	}
	var page struct {
		Error json.RawMessage
		Data  *[]struct {
			ID      string
			Name    string    `json:"display_name"`
			Created time.Time `json:"created_at"`
			Input   int       `json:"max_input_tokens"`
			Output  int       `json:"max_tokens"`
		}
		More bool   `json:"has_more"`
		Last string `json:"last_id"`
	}
	switch err := json.Unmarshal(data, &page); {
	case err != nil:
		return "", x.Misread(data)
	case len(page.Error) > 0 && string(page.Error) != "null":
		return "", x.Problem(data)
	case page.Data == nil:
		return "", x.Fail(genai.Malformed, "the answer has no list of models")
	}
	for _, m := range *page.Data {
		if m.ID == "" {
			return "", x.Fail(genai.Malformed, "a model of the list has no name")
		}
		if !yield(Model{m.ID, m.Name, m.Created, m.Input, m.Output}) {
			return "", nil
		}
	}
	if !page.More {
		return "", nil
	}
	if page.Last == "" || page.Last == after {
		return "", x.Fail(genai.Malformed, "the server says that there is more, and does not give it")
	}
	return page.Last, nil
}
