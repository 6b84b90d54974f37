package tool_test

import (
	"encoding/json"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
)

// TestSamples: what the automatic model makes of a schema is what the schema allows. Package genaitest has no validator to
// see it with.
func TestSamples(t *testing.T) {
	for _, text := range []string{
		`true`, `{}`, `{"type":"object"}`, `{"type":["null","string"]}`, `{"enum":[3,"a"]}`, `{"const":{"a":[1]}}`,
		`{"type":"object","properties":{"a":{"type":"integer","minimum":3,"maximum":3},"b":{"type":"array","items":{"type":"boolean"},"minItems":2}},"required":["a","b","c"],"additionalProperties":{"type":"number"}}`,
		`{"type":"object","properties":{"n":{"$ref":"#/$defs/node"}},"$defs":{"node":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]},"v":{"type":"string"}},"required":["next","v"],"additionalProperties":false}},"required":["n"]}`,
		`{"type":"array","items":{"type":"integer","multipleOf":5},"minItems":4,"uniqueItems":true}`,
		`{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":{"type":"boolean"},"minItems":3}`,
		`{"type":"string","pattern":"^[A-Z]{2}[0-9]{3,}$","minLength":8}`, `{"type":"string","pattern":"^(a|bc)+$"}`, `{"type":"string","minLength":40}`, `{"type":"string","minLength":2,"maxLength":2}`,
		`{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":0.001}`, `{"type":"number","multipleOf":0.25,"minimum":7.1}`, `{"type":"integer","minimum":-7,"maximum":-3}`, `{"type":"number","maximum":-0.5}`,
		`{"oneOf":[{"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"integer"}},"required":["kind","x"],"additionalProperties":false},{"type":"object","properties":{"kind":{"const":"b"}},"required":["kind"],"additionalProperties":false}]}`,
		`{"allOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"b":{"type":"integer"}},"required":["b"]}]}`,
		`{"type":"object","minProperties":3,"additionalProperties":{"type":"string"}}`, `{"type":"object","properties":{"list":{"type":"array","items":{"type":"object","properties":{"deep":{"type":"array","items":{"type":"array","items":{"type":"string"},"minItems":1},"minItems":1}},"required":["deep"]}}}}`,
		`{"type":"string","format":"date-time"}`, `{"type":"string","format":"email","maxLength":40}`, `{"type":"string","enum":["a"],"default":"a"}`, `{"type":"integer","default":7}`,
		`{"type":"object","patternProperties":{"^x-":{"type":"integer"}},"properties":{"a":{"type":"string"}},"additionalProperties":false}`,
		`{"type":"object","propertyNames":{"pattern":"^[a-z]+$"},"properties":{"a":{"type":"string"}}}`,
		`{"type":"object","properties":{"a":false,"b":{"type":"string"}}}`, `{"type":"object","properties":{"a":{"type":"integer"}},"maxProperties":0}`,
		`{"$ref":"#/definitions/a%20b","definitions":{"a b":{"type":"integer"}}}`, `{"type":"array","contains":{"const":5}}`,
		`{"type":"object","properties":{"card":{"type":"string"}},"dependentRequired":{"card":["address"]}}`,
		`{"anyOf":[{"required":["a"]},{"required":["b"]}],"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}}`,
		`{"type":"integer","exclusiveMinimum":3,"multipleOf":2}`, `{"type":"number","minimum":1e300}`,
		`{"type":"array","items":{"enum":["a","b"]},"uniqueItems":true,"minItems":2}`,
	} {
		resp, err := (&genaitest.Model{Auto: true}).Complete(t.Context(), &genai.ChatRequest{Format: &genai.Format{Schema: json.RawMessage(text)}})
		if err != nil {
			t.Fatal(err)
		}
		var schema jsonschema.Schema
		var v any
		if err := json.Unmarshal([]byte(text), &schema); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		resolved, err := schema.Resolve(nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if err := json.Unmarshal([]byte(resp.Text()), &v); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if err := resolved.Validate(v); err != nil {
			t.Errorf("%s\nmakes %s: %v", text, resp.Text(), err)
		}
	}
}
