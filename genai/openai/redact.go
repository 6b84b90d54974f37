package openai

import "strings"

// window is how many bytes of a prompt in a row are taken for a quotation of it.
const window = 16

const removed = "[removed]"

// redact removes from a message of the server what it quotes of our secrets: the key, and the texts of the request.
// Servers do quote them, and messages end up in logs.
func (x *exchange) redact(message string) string {
	if message == "" {
		return ""
	}
	message = clip(message, 4*maxErrorMessage)
	if x.key != "" {
		message = strings.ReplaceAll(message, x.key, removed)
	}
	if len(message) < window || x.texts == nil {
		return message
	}
	places := map[string][]int{} // where each window of the message begins
	for i := 0; i+window <= len(message); i++ {
		places[message[i:i+window]] = append(places[message[i:i+window]], i)
	}
	quoted := make([]bool, len(message))
	found := false
	x.texts(func(text string) {
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
