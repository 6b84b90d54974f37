package ollama

import (
	"net/http"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// understand reads what the server says about a failure, which is a text and nothing else. status is 0 if it came inside
// of an answer that promised success.
func understand(body []byte, status int, _ http.Header) exchange.Problem {
	f := exchange.Unwrap(body)
	p := exchange.Problem{Message: f.Text("message"), Code: f.Text("code"), Kind: exchange.KindOfStatus(status)}
	if p.Message == "" {
		p.Message = f.Text("detail")
	}
	// Only statuses that say little are asked what they mean: 400, 500, and the failures inside of an answer.
	if status == 0 || status == http.StatusBadRequest || status == http.StatusInternalServerError {
		for _, known := range phrases {
			if strings.HasPrefix(p.Message, known.begins) && strings.HasSuffix(p.Message, known.ends) {
				p.Kind, p.Field = known.kind, known.field
				break
			}
		}
	}
	return p
}

// phrases are the messages of the server that mean something else than their status, or something closer. They are
// compared from their ends: whatever stands in the middle is a name, or may be a quotation.
var phrases = []struct {
	begins, ends string
	kind         genai.Kind
	field        string
}{
	{"", "does not support tools", genai.Unsupported, "tools"},
	{"", "does not support thinking", genai.Unsupported, "reasoning"},
	{"", "does not support chat", genai.Unsupported, "model"},
	{"", "does not support embeddings", genai.Unsupported, "model"},
	{"this model does not support embeddings", "", genai.Unsupported, "model"},
	{"model ", "not found", genai.NotFound, "model"},
	{"model ", "not found, try pulling it first", genai.NotFound, "model"},
	{"pull model manifest: file does not exist", "", genai.NotFound, "model"},
	{"the input length exceeds the context length", "", genai.ContextLength, ""},
	{"input length exceeds maximum context length", "", genai.ContextLength, ""},
	{"prompt too long; exceeded max context length", "", genai.ContextLength, ""},
	{"server busy, please try again", "", genai.Overloaded, ""},
	{"model requires more system memory", "", genai.Overloaded, ""},
}
