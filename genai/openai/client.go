package openai

import (
	"context"
	"net/http"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// A Client is a server with OpenAI's interface. The zero value is OpenAI itself and lacks nothing but a Key. It is safe
// for concurrent use; its fields must not be changed while it is used.
type Client struct {
	BaseURL string // up to the version, such as "http://localhost:8000/v1"; empty: https://api.openai.com/v1. A query is kept
	Key     string // sent as a bearer token, or as Azure wants it; empty: none, which OpenAI itself refuses
	Model   string // for requests that name none
	Name    string // what errors call the server; empty: its host

	// Dialect is what kind of server it is, where its host does not tell, as behind a proxy: "openai", "azure", "mistral",
	// "groq", "openrouter", "deepseek", "ollama", "vllm", "llamacpp", or "compatible" for any other. Empty: the host tells,
	// and a host that is not known is "compatible".
	Dialect string

	// Drop names settings to leave out where the server has no such thing, instead of failing as Unsupported: by the names
	// that errors have as Field, without numbers, such as "top_k" or "messages.name". Nothing that is said in a conversation
	// is dropped. A server that refuses one of them by that name, which costs nothing, is asked once more, without it.
	Drop []string

	// Header is sent with every request, over the fields that the client sets itself. Credentials that are not a bearer token,
	// or not a key of Azure, go here.
	Header http.Header

	// HTTP sends the requests; nil: a plain client. Its CheckRedirect is not used. Leave its Timeout at zero: it would
	// cut long answers, and the context of a call limits it better.
	HTTP *http.Client

	// MaxBytes bounds the memory that one answer may take: a whole answer, or one event of a stream. What is longer
	// fails as TooLarge. 0 means 64 MiB.
	MaxBytes int
}

const openAI = "https://api.openai.com/v1"

// An ask is an exchange with a server, and what must be known about the server to ask it.
type ask struct {
	*exchange.Exchange
	*dialect
}

// encoder returns what writes a request to the server.
func (x ask) encoder(paths bool) *encoder {
	return &encoder{exchange.Check{X: x.Exchange, Provider: x.provider, Paths: paths}, x.dialect, x.Base.Host}
}

// begin makes an exchange, unless the client is not set up for it.
func (c *Client) begin(op string) (ask, error) {
	s := exchange.Server{
		Name: c.Name, BaseURL: c.BaseURL, Key: c.Key, Header: c.Header, HTTP: c.HTTP, Max: c.MaxBytes,
		IDs: requestIDs, Understand: understand,
	}
	if s.BaseURL == "" {
		s.BaseURL = openAI
	}
	x, err := exchange.Begin(op, s)
	if err != nil {
		return ask{}, err
	}
	d, ok := dialectOf(c.Dialect, x.Base.Hostname())
	if !ok {
		return ask{}, x.Refuse(genai.InvalidRequest, "Dialect", "there is no such dialect")
	}
	if d.needsKey && c.Key == "" && c.Header.Get("Authorization") == "" {
		return ask{}, x.Refuse(genai.Unauthenticated, "Key", d.provider+" needs a key")
	}
	return ask{x, d}, nil
}

// post sends body and returns nil if the response promises an answer.
func (c *Client) post(ctx context.Context, x ask, path, accept string, body []byte) error {
	return c.send(ctx, x, path, http.Header{"Accept": {accept}}, body)
}

// send is post with headers of one's own. It changes them.
func (c *Client) send(ctx context.Context, x ask, path string, h http.Header, body []byte) error {
	c.sign(x, h)
	return x.Post(ctx, path, h, body)
}

// sign adds the key.
func (c *Client) sign(x ask, h http.Header) {
	switch {
	case c.Key == "":
	case x.keyHeader != "":
		h[x.keyHeader] = []string{c.Key}
	default:
		h["Authorization"] = []string{"Bearer " + c.Key}
	}
}
