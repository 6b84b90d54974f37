package gemini

import (
	"context"
	"net/http"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// A Client is a server with Gemini's interface. The zero value is Google's Gemini API and lacks nothing but a Key and a
// model. It is safe for concurrent use; its fields must not be changed while it is used.
type Client struct {
	// BaseURL is what "/models/..." stands behind; empty: https://generativelanguage.googleapis.com/v1beta. On Vertex AI
	// it ends in "/publishers/google". A query is kept.
	BaseURL string
	Key     string // sent as x-goog-api-key; empty: none, which the Gemini API itself refuses
	Model   string // for requests that name none
	Name    string // what errors call the server; empty: its host

	// Drop names settings to leave out where the server has no such thing, instead of failing as Unsupported: by the names
	// that errors have as Field, without numbers, such as "top_k" or "messages.name". Nothing that is said in a conversation
	// is dropped. A server that refuses one of them by that name, which costs nothing, is asked once more, without it.
	Drop []string

	// Header is sent with every request, over the fields that the client sets itself. Vertex AI gets its token here, as
	// Authorization.
	Header http.Header

	// HTTP sends the requests; nil: a plain client. Its CheckRedirect is not used. Leave its Timeout at zero: it would
	// cut long answers, and the context of a call limits it better.
	HTTP *http.Client

	// MaxBytes bounds the memory that one answer may take: a whole answer, or one event of a stream. What is longer
	// fails as TooLarge. 0 means 64 MiB.
	MaxBytes int
}

const (
	officialHost = "generativelanguage.googleapis.com"
	official     = "https://" + officialHost + "/v1beta"
)

// begin makes an exchange, unless the client is not set up for it.
func (c *Client) begin(ctx context.Context, op string) (*exchange.Exchange, error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	s := exchange.Server{
		Name: c.Name, BaseURL: c.BaseURL, Key: c.Key, Header: c.Header, HTTP: c.HTTP, Max: c.MaxBytes,
		IDs: []string{"X-Request-Id", "X-Goog-Request-Id"}, Understand: understand,
	}
	if s.BaseURL == "" {
		s.BaseURL = official
	}
	x, err := exchange.Begin(op, s)
	if err != nil {
		return nil, err
	}
	if x.Base.Hostname() == officialHost && c.Key == "" && c.Header.Get("X-Goog-Api-Key") == "" && c.Header.Get("Authorization") == "" {
		return nil, x.Refuse(genai.Unauthenticated, "Key", officialHost+" needs a key")
	}
	return x, nil
}

// post asks a model to do something and returns nil if the response promises an answer.
func (c *Client) post(ctx context.Context, x *exchange.Exchange, model, method, accept string, body []byte) error {
	h := http.Header{"Accept": {accept}}
	if c.Key != "" {
		h["X-Goog-Api-Key"] = []string{c.Key}
	}
	return x.Post(ctx, "/"+resource(model)+":"+method, h, body)
}

// resource returns a model by its full name: most are called "models/...", and written without it.
func resource(model string) string {
	if strings.Contains(model, "/") {
		return model
	}
	return "models/" + model
}

// demanding reports whether a model insists on the signatures of tool calls: Gemini 3 and later do.
func demanding(model string) bool {
	version, ok := strings.CutPrefix(model[strings.LastIndex(model, "/")+1:], "gemini-")
	return ok && version != "" && version[0] >= '3' && version[0] <= '9'
}
