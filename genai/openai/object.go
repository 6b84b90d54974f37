package openai

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// get looks at something that the server keeps: path, id and rest are the path to it, where id comes from the caller and
// may be empty if path says it all. The response is then open.
func (c *Client) get(ctx context.Context, x ask, path, id, rest string, query url.Values) error {
	if err := genai.ContextError(ctx); err != nil {
		return err
	}
	if id != "" || rest != "" {
		if !exchange.Named(id) {
			return x.Refuse(genai.InvalidRequest, "id", "there is no such id")
		}
		path += "/" + id + rest
	}
	for name, values := range query {
		if len(values) == 0 || values[0] == "" {
			query.Del(name)
		}
	}
	if more := query.Encode(); more != "" {
		if x.Base.RawQuery != "" {
			x.Base.RawQuery += "&"
		}
		x.Base.RawQuery += more
	}
	accept := "application/json"
	if rest == "/content" { // a file is what it is
		accept = "application/binary"
	}
	h := http.Header{"Accept": {accept}}
	c.sign(x, h)
	return x.Get(ctx, path, h)
}

// decode reads the answer, which must be an object that is not the report of a failure, into v.
func (x ask) decode(ctx context.Context, v any) error {
	data, err := x.object(ctx)
	if err != nil {
		return err
	}
	if json.Unmarshal(data, v) != nil {
		return x.Misread(data)
	}
	return nil
}

// maxPages bounds a list, against servers whose pages go in a circle.
const maxPages = 10_000

// pages opens a stream of what a list has, page by page. The path is that of [Client.get]. item decodes one, and returns its id, behind which the next page
// begins.
func pages[T any](ctx context.Context, c *Client, op, path, id, rest string, query url.Values, item func(json.RawMessage) (T, string, error)) (*genai.Stream[T], error) {
	return genai.Open(ctx, func(ctx context.Context, yield func(T) bool) error {
		for range maxPages {
			x, err := c.begin(op)
			if err != nil {
				return err
			}
			if err := c.get(ctx, x, path, id, rest, query); err != nil {
				return err
			}
			var page struct {
				Data    *[]json.RawMessage
				HasMore bool `json:"has_more"`
			}
			if err := x.decode(ctx, &page); err != nil {
				return err
			}
			if page.Data == nil {
				return x.Fail(genai.Malformed, "the answer has no list")
			}
			last := ""
			for _, raw := range *page.Data {
				v, name, err := item(raw)
				if err != nil || name == "" {
					return x.Fail(genai.Malformed, "the list has something else in it")
				}
				if last = name; !yield(v) {
					return nil
				}
			}
			if !page.HasMore {
				return nil
			}
			if last == "" || last == query.Get("after") {
				return x.Fail(genai.Malformed, "the server says that there is more, and does not give it")
			}
			query.Set("after", last)
		}
		return genai.Errorf(genai.Malformed, "the list has more than %d pages", maxPages)
	})
}
