package anthropic

import (
	"context"
	"net/http"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// A Client is a server with Anthropic's Messages interface. The zero value is Anthropic itself and lacks nothing but a
// Key. It is safe for concurrent use; its fields must not be changed while it is used.
type Client struct {
	BaseURL string // up to the version; empty: https://api.anthropic.com/v1. A query is kept
	Key     string // sent as x-api-key; empty: none, which Anthropic itself refuses
	Model   string // for requests that name none
	Name    string // what errors call the server; empty: its host

	// MaxTokens is how long the answer to a request that does not say may become; the interface insists on a limit. 0
	// means 8192, and the budget for thinking on top if the request has one.
	MaxTokens int

	// Drop names settings to leave out where the server has no such thing, instead of failing as Unsupported: by the names
	// that errors have as Field, without numbers, such as "top_k" or "messages.name". Nothing that is said in a conversation
	// is dropped. A server that refuses one of them by that name, which costs nothing, is asked once more, without it.
	Drop []string

	// Header is sent with every request, over the fields that the client sets itself. Put Anthropic-Beta here, another
	// Anthropic-Version than 2023-06-01, or Authorization for servers that want a token instead of a key.
	Header http.Header

	// HTTP sends the requests; nil: a plain client. Its CheckRedirect is not used. Leave its Timeout at zero: it would
	// cut long answers, and the context of a call limits it better.
	HTTP *http.Client

	// MaxBytes bounds the memory that one answer may take: a whole answer, or one event of a stream. What is longer
	// fails as TooLarge. 0 means 64 MiB.
	MaxBytes int
}

const (
	official  = "https://api.anthropic.com/v1"
	version   = "2023-06-01"
	maxTokens = 8192
)

// begin makes an exchange, unless the client is not set up for it.
func (c *Client) begin(op string) (*exchange.Exchange, error) {
	s := exchange.Server{
		Name: c.Name, BaseURL: c.BaseURL, Key: c.Key, Header: c.Header, HTTP: c.HTTP, Max: c.MaxBytes,
		IDs: []string{"Request-Id", "X-Request-Id", "X-Generation-Id"}, Understand: understand,
	}
	if s.BaseURL == "" {
		s.BaseURL = official
	}
	x, err := exchange.Begin(op, s)
	if err != nil {
		return nil, err
	}
	if x.Base.Hostname() == "api.anthropic.com" && c.Key == "" && c.Header.Get("X-Api-Key") == "" && c.Header.Get("Authorization") == "" {
		return nil, x.Refuse(genai.Unauthenticated, "Key", "api.anthropic.com needs a key")
	}
	return x, nil
}

// post sends body and returns nil if the response promises an answer.
func (c *Client) post(ctx context.Context, x *exchange.Exchange, path, accept string, body []byte) error {
	return x.Post(ctx, path, c.header(accept), body)
}

func (c *Client) header(accept string) http.Header {
	h := http.Header{"Accept": {accept}, "Anthropic-Version": {version}}
	if c.Key != "" {
		h["X-Api-Key"] = []string{c.Key}
	}
	return h
}
