package openai

import (
	"context"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

// fetch sends body and returns the whole answer, a JSON object that is not the report of a failure.
func (c *Client) fetch(ctx context.Context, x ask, path string, body []byte) ([]byte, error) {
	if err := c.post(ctx, x, path, "application/json", body); err != nil {
		return nil, err
	}
	return x.object(ctx)
}

// object reads the answer to an exchange that succeeded, as far as its status says. Some servers report a failure with a
// status of success.
func (x ask) object(ctx context.Context) ([]byte, error) {
	data, err := x.Document(ctx)
	if err != nil {
		return nil, err
	}
	s := jsonscan.New(data)
	switch s.Next() {
	case '<':
		return nil, x.WebPage()
	case '[': // how some servers send errors
		if parseProblem(data) != (problem{}) {
			return nil, x.Problem(data)
		}
	case '{':
		var failure []byte
		text, more := false, false // words about a failure, and what else there is
		s.Open('{')
		for s.More('}') {
			switch string(s.Key()) {
			case "error":
				failure = failureIn(s.Raw())
			case "message", "detail":
				text = worded(s.Raw()) || text
			case "code", "type", "object", "param", "status":
				s.Skip()
			default:
				s.Skip()
				more = true
			}
		}
		switch err := s.End(); {
		case err != nil:
			return nil, x.Cut(ctx, err)
		case failure != nil:
			return nil, x.Problem(data)
		case text && !more:
			return nil, x.Problem(data)
		}
		return data, nil
	case 0:
		return nil, x.Fail(genai.Truncated, "the answer is empty")
	}
	return nil, x.Fail(genai.Malformed, "the answer has something else in it than the JSON of this interface")
}
