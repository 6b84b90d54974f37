package exchange

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

const (
	window  = 16 // how many bytes of a prompt in a row are taken for a quotation of it
	least   = 8  // what is shorter is no secret: removing it would only make holes into messages
	removed = "[removed]"
)

// redact removes from what the server says all that it quotes of our secrets: the key, and the texts of the request. Servers
// do quote them, and messages end up in logs.
func (x *Exchange) redact(said ...*string) {
	total := 0
	for _, s := range said {
		if key := x.server.Key; key != "" && len(key) < least { // no real one, but it was called one
			*s = strings.ReplaceAll(*s, key, removed)
		}
		total += len(*s)
	}
	if total < least {
		return
	}
	c := newCovering(said, total)
	for secret := range x.secrets {
		c.hide(secret, 12) // what stands in front of the middle of a key is the same for many
	}
	if x.Texts != nil {
		x.Texts(func(text string) { c.hide(text, window) })
	}
	c.reveal(said)
}

// A covering is what the server says, put in a row, and which bytes of it must not be shown.
type covering struct {
	text    string
	folded  folder
	hidden  []bool // of text
	found   bool
	windows map[uint64][]int32 // where in the folded text the first bytes of each window are
	filter  [1 << 10]uint64    // whether a window may begin so: most of what is not quoted is dismissed by it
	scratch folder
}

func newCovering(said []*string, total int) *covering {
	var b strings.Builder
	b.Grow(total + len(said))
	for _, s := range said {
		b.WriteString(*s)
		b.WriteByte(0) // nothing goes on from one to the next
	}
	c := &covering{text: b.String(), windows: map[uint64][]int32{}}
	c.folded.from = make([]int32, 0, len(c.text))
	c.folded.fold(c.text)
	c.hidden = make([]bool, len(c.text))
	for i := 0; i+least <= len(c.folded.text); i++ {
		first := c.folded.text[i:]
		key := binary.LittleEndian.Uint64(first)
		c.windows[key] = append(c.windows[key], int32(i))
		bit := hash(key)
		c.filter[bit>>6] |= 1 << (bit & 63)
	}
	return c
}

// hash is the bit of the filter for the first bytes of a window.
func hash(key uint64) uint16 { return uint16(key * 0x9e3779b97f4a7c15 >> 48) }

// hide covers every quotation of a secret: so many bytes of it in a row, or all of it if it is not so long.
func (c *covering) hide(secret string, row int) {
	c.scratch.text = c.scratch.text[:0]
	c.scratch.fold(secret)
	is := c.scratch.text
	if row = min(row, len(is)); row < least {
		return
	}
	for i := 0; i+row <= len(is); i++ {
		key := binary.LittleEndian.Uint64(is[i:])
		bit := hash(key)
		if c.filter[bit>>6]&(1<<(bit&63)) == 0 {
			continue
		}
		for _, at := range c.windows[key] {
			if bytes.HasPrefix(c.folded.text[at:], is[i:i+row]) {
				c.cover(int(at), int(at)+row)
			}
		}
	}
}

// cover hides what stands for a stretch of the folded text.
func (c *covering) cover(from, to int) {
	c.found = true
	last := int(c.folded.from[to-1])
	_, size := unit(c.text[last:])
	for i := int(c.folded.from[from]); i < last+size; i++ {
		c.hidden[i] = true
	}
}

// reveal writes back what may be shown.
func (c *covering) reveal(said []*string) {
	if !c.found {
		return
	}
	at := 0
	for _, s := range said {
		var b strings.Builder
		for i := at; i < at+len(*s); i++ {
			if !c.hidden[i] {
				b.WriteByte(c.text[i])
			} else if i == at || !c.hidden[i-1] {
				b.WriteString(removed)
			}
		}
		at += len(*s) + 1
		*s = b.String()
	}
}

// secretive reports whether what has such a name sounds like a secret.
func secretive(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"key", "token", "secret", "auth", "cookie", "password", "signature"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return name == "sig" || name == "code" // of Azure
}

// secrets calls yield with the key, and with what stands in the URL and in headers of the caller's that sound like one.
func (x *Exchange) secrets(yield func(string) bool) {
	if x.server.Key != "" && !yield(x.server.Key) {
		return
	}
	if x.Base != nil {
		if password, ok := x.Base.User.Password(); ok && !yield(password) {
			return
		}
		if x.Base.RawQuery != "" {
			for name, values := range x.Base.Query() {
				if !secretive(name) {
					continue
				}
				for _, value := range values {
					if !yield(value) {
						return
					}
				}
			}
		}
	}
	for name, values := range x.server.Header {
		if name = http.CanonicalHeaderKey(name); !secretive(name) {
			continue
		}
		for _, value := range values {
			if _, secret, ok := strings.Cut(value, " "); ok && !yield(secret) || !yield(value) {
				return
			}
		}
	}
}

// TextsOf returns the Texts of an exchange for a conversation.
func TextsOf(req *genai.ChatRequest) func(func(string)) {
	return func(yield func(string)) {
		for _, m := range req.Messages {
			partTexts(m.Parts, yield)
		}
		for _, t := range req.Tools {
			yield(t.Description)
		}
		yield(req.EndUser)
		for _, value := range req.Metadata {
			yield(value)
		}
	}
}

func partTexts(parts []genai.Part, yield func(string)) {
	for _, p := range parts {
		yield(p.Text)
		yield(p.Refusal)
		if p.Reasoning != nil {
			yield(p.Reasoning.Text)
		}
		if p.ToolCall != nil {
			yield(p.ToolCall.Arguments)
		}
		if p.ToolResult != nil {
			partTexts(p.ToolResult.Parts, yield)
		}
		if f := p.File; f != nil {
			yield(f.Name)
			if strings.HasPrefix(f.Blob.MediaType(), "text/") {
				yield(string(f.Blob.Bytes()))
			}
		}
	}
}
