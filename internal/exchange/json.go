package exchange

import (
	"bytes"
	"encoding/json"

	"github.com/dovetail-go/dovetail/genai"
)

// Body writes a request as JSON, with the extra fields in it, which win over its own.
func (x *Exchange) Body(v any, extra map[string]json.RawMessage) ([]byte, error) {
	text, err := Marshal(v)
	if err == nil && len(extra) > 0 {
		var fields map[string]json.RawMessage
		if err = json.Unmarshal(text, &fields); err == nil {
			for name, value := range extra {
				if !json.Valid(value) {
					return nil, x.Refuse(genai.InvalidRequest, "extra."+name, "the value is not JSON")
				}
				fields[name] = value
			}
			text, err = Marshal(fields)
		}
	}
	if err != nil {
		return nil, x.Refuse(genai.InvalidRequest, "", "the request cannot be written as JSON")
	}
	return text, nil
}

// Marshal is json.Marshal, but leaves '<' and '&' as they are: prompts are full of them.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
