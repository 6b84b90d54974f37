package exchange

import (
	"net/http"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// window is how many bytes of a prompt in a row are taken for a quotation of it.
const window = 16

const removed = "[removed]"

// redact removes from a message of the server what it quotes of our secrets: the key, and the texts of the request.
// Servers do quote them, and messages end up in logs.
func (x *Exchange) redact(message string) string {
	if message == "" {
		return ""
	}
	message = Clip(message, 4*maxErrorMessage)
	for secret := range x.secrets {
		message = strings.ReplaceAll(message, secret, removed)
	}
	if len(message) < window || x.Texts == nil {
		return message
	}
	places := map[string][]int{} // where each window of the message begins
	for i := 0; i+window <= len(message); i++ {
		places[message[i:i+window]] = append(places[message[i:i+window]], i)
	}
	quoted := make([]bool, len(message))
	found := false
	x.Texts(func(text string) {
		for i := 0; i+window <= len(text) && len(places) > 0; i++ {
			piece := text[i : i+window]
			for _, at := range places[piece] {
				found = true
				for j := range window {
					quoted[at+j] = true
				}
			}
			delete(places, piece)
		}
	})
	if !found {
		return message
	}
	var b strings.Builder
	for i := range len(message) {
		if !quoted[i] {
			b.WriteByte(message[i])
		} else if i == 0 || !quoted[i-1] {
			b.WriteString(removed)
		}
	}
	return b.String()
}

// secrets calls yield with the key, and with what stands in headers of the caller's that sound like one.
func (x *Exchange) secrets(yield func(string) bool) {
	if x.server.Key != "" && !yield(x.server.Key) {
		return
	}
	for name, values := range x.server.Header {
		name = http.CanonicalHeaderKey(name)
		if name != "Authorization" && !strings.Contains(name, "Key") && !strings.Contains(name, "Token") && name != "Cookie" {
			continue
		}
		for _, value := range values {
			if _, secret, ok := strings.Cut(value, " "); ok && !yieldSecret(secret, yield) || !yieldSecret(value, yield) {
				return
			}
		}
	}
}

// yieldSecret leaves out what is too short for a secret: removing it would only make holes into messages.
func yieldSecret(secret string, yield func(string) bool) bool {
	return len(secret) < 8 || yield(secret)
}

// TextsOf returns the Texts of an exchange for a conversation.
func TextsOf(req *genai.ChatRequest) func(func(string)) {
	return func(yield func(string)) {
		for _, m := range req.Messages {
			partTexts(m.Parts, yield)
		}
	}
}

func partTexts(parts []genai.Part, yield func(string)) {
	for _, p := range parts {
		yield(p.Text)
		if p.Reasoning != nil {
			yield(p.Reasoning.Text)
		}
		if p.ToolCall != nil {
			yield(p.ToolCall.Arguments)
		}
		if p.ToolResult != nil {
			partTexts(p.ToolResult.Parts, yield)
		}
	}
}
