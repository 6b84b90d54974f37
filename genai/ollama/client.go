package ollama

import (
	"context"
	"net/http"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// A Client is a server with Ollama's interface. The zero value is the one on this machine. It is safe for concurrent use;
// its fields must not be changed while it is used.
type Client struct {
	BaseURL string // without /api; empty: http://localhost:11434. A query is kept
	Key     string // sent as a bearer token, for ollama.com and for proxies; empty: none
	Model   string // for requests that name none
	Name    string // what errors call the server; empty: its host

	// Options are sent with every request that a model answers, such as {"num_ctx": 16384}. A request's own win over them.
	Options map[string]any

	// KeepAlive is how long the server keeps the model in memory after a request; negative: for ever, 0: not at all. nil
	// leaves it to the server, which keeps it for five minutes.
	KeepAlive *time.Duration

	// Drop names settings to leave out where the server has no such thing, instead of failing as Unsupported: by the names
	// that errors have as Field, without numbers, such as "top_k" or "messages.name". Nothing that is said in a conversation
	// is dropped. A server that refuses one of them by that name, which costs nothing, is asked once more, without it.
	Drop []string

	// Header is sent with every request, over the fields that the client sets itself.
	Header http.Header

	// HTTP sends the requests; nil: a plain client. Its CheckRedirect is not used. Leave its Timeout at zero: it would
	// cut long answers, and the context of a call limits it better. A model that is not in memory is loaded before the
	// first byte of an answer, which may take minutes.
	HTTP *http.Client

	// MaxBytes bounds the memory that one answer may take: a whole answer, or one line of a stream. What is longer fails
	// as TooLarge. 0 means 64 MiB.
	MaxBytes int
}

const local = "http://localhost:11434"

// begin makes an exchange, unless the client is not set up for it.
func (c *Client) begin(ctx context.Context, op string) (*exchange.Exchange, error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	s := exchange.Server{
		Name: c.Name, BaseURL: c.BaseURL, Key: c.Key, Header: c.Header, HTTP: c.HTTP, Max: c.MaxBytes,
		IDs: []string{"X-Request-Id"}, Understand: understand,
	}
	if s.BaseURL == "" {
		s.BaseURL = local
	}
	return exchange.Begin(op, s)
}

// header returns what goes with a request.
func (c *Client) header(accept string) http.Header {
	h := http.Header{"Accept": {accept}}
	if c.Key != "" {
		h["Authorization"] = []string{"Bearer " + c.Key}
	}
	return h
}

// keepAlive returns KeepAlive as the server reads it.
func (c *Client) keepAlive() string {
	if c.KeepAlive == nil {
		return ""
	}
	return c.KeepAlive.String()
}
