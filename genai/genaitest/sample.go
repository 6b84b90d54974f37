package genaitest

import (
	"encoding/json"
	"maps"
	"math"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// sample makes a value that a JSON Schema allows, always the same one. It knows what tools and formats are described
// with; conditions (if, not, dependentSchemas) and sets of objects it does not. name is what a text says that may say anything.
func sample(schema json.RawMessage, name string) string {
	var root any
	if err := json.Unmarshal(schema, &root); err != nil {
		return "{}"
	}
	return string(mustMarshal((&sampler{root: root}).value(root, name, 0)))
}

// A sampler makes values of one schema document.
type sampler struct {
	root any
	made int
}

const (
	maxValues = 10_000 // more is not made, whatever a schema asks for
	fullDepth = 4      // down to here optional properties are made too
	maxDepth  = 24     // here a schema that requires itself for ever is given up
)

func (s *sampler) value(schema any, name string, depth int) any {
	m, ok := schema.(map[string]any)
	if s.made++; !ok || depth > maxDepth || s.made > maxValues {
		return nil // true allows everything
	}
	m = s.flatten(m, depth)
	if v, ok := m["const"]; ok {
		return v
	}
	for _, field := range []string{"enum", "examples"} {
		if list, ok := m[field].([]any); ok && len(list) > 0 {
			return list[0]
		}
	}
	if v, ok := m["default"]; ok && v != nil {
		return v
	}
	if types, ok := m["type"].([]any); ok && depth >= fullDepth && slices.Contains(types, any("null")) {
		return nil // or what contains itself would go on for ever
	}
	switch typeOf(m) {
	case "object":
		return s.object(m, depth)
	case "array":
		return s.array(m, name, depth)
	case "string":
		return text(m, name)
	case "integer":
		return number(m, true)
	case "number":
		return number(m, false)
	case "boolean":
		return true
	}
	return nil
}

// flatten puts references, combinations and the first of several choices into one schema.
func (s *sampler) flatten(m map[string]any, depth int) map[string]any {
	if s.made++; depth > maxDepth || s.made > maxValues {
		return m
	}
	merge := func(into map[string]any, other any) map[string]any {
		o, ok := other.(map[string]any)
		if !ok {
			return into
		}
		return join(into, s.flatten(o, depth+1))
	}
	flat := map[string]any{}
	for k, v := range m {
		switch k {
		case "$ref", "allOf", "anyOf", "oneOf":
		default:
			flat[k] = v
		}
	}
	if ref, ok := m["$ref"].(string); ok {
		flat = merge(flat, s.find(ref))
	}
	if all, ok := m["allOf"].([]any); ok {
		for _, other := range all {
			flat = merge(flat, other)
		}
	}
	for _, field := range []string{"anyOf", "oneOf"} {
		if options, ok := m[field].([]any); ok && len(options) > 0 {
			flat = merge(flat, choose(options, depth))
		}
	}
	return flat
}

// choose returns the first option that is not null, or, far down, one that is.
func choose(options []any, depth int) any {
	for _, o := range options {
		if m, ok := o.(map[string]any); (!ok || m["type"] != "null") == (depth < fullDepth) {
			return o
		}
	}
	return options[0]
}

// join returns a with what b adds; properties and what is required are added up.
func join(a, b map[string]any) map[string]any {
	for k, v := range b {
		switch old := a[k].(type) {
		case map[string]any:
			if more, ok := v.(map[string]any); ok && k == "properties" {
				a[k] = join(join(map[string]any{}, old), more)
			}
		case []any:
			if more, ok := v.([]any); ok && k == "required" {
				a[k] = slices.Concat(old, more)
			}
		case nil:
			a[k] = v
		default:
			a[k] = v
		}
	}
	return a
}

// find follows a reference inside of the document.
func (s *sampler) find(ref string) any {
	at := s.root
	for _, step := range strings.Split(strings.TrimPrefix(strings.TrimPrefix(ref, "#"), "/"), "/") {
		if step == "" {
			continue
		}
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		if plain, err := url.PathUnescape(step); err == nil {
			step = plain
		}
		at = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
	}
	return at
}

func typeOf(m map[string]any) string {
	switch t := m["type"].(type) {
	case string:
		return t
	case []any:
		for _, one := range t {
			if name, ok := one.(string); ok && name != "null" {
				return name
			}
		}
		return "null"
	}
	for field, kind := range map[string]string{"properties": "object", "items": "array", "prefixItems": "array", "minimum": "number", "maximum": "number"} {
		if m[field] != nil {
			return kind
		}
	}
	return "string"
}

func (s *sampler) object(m map[string]any, depth int) any {
	out := map[string]any{}
	properties, _ := m["properties"].(map[string]any)
	required, _ := m["required"].([]any)
	most := size(m, "maxProperties", maxValues)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if schema := properties[name]; slices.Contains(required, any(name)) || schema != false && depth < fullDepth && len(out)+len(required) < most {
			out[name] = s.value(schema, name, depth+1)
		}
	}
	dependent, _ := m["dependentRequired"].(map[string]any)
	for name, more := range dependent {
		if _, there := out[name]; there {
			list, _ := more.([]any)
			required = slices.Concat(required, list)
		}
	}
	for _, r := range required {
		name, ok := r.(string)
		if _, there := out[name]; !ok || there {
			continue
		}
		schema := properties[name]
		if schema == nil {
			schema = m["additionalProperties"]
		}
		out[name] = s.value(schema, name, depth+1)
	}
	for i := len(out); i < size(m, "minProperties", 0); i++ {
		name := "key" + strconv.Itoa(i+1)
		out[name] = s.value(m["additionalProperties"], name, depth+1)
	}
	return out
}

func (s *sampler) array(m map[string]any, name string, depth int) any {
	out := []any{}
	if prefix, ok := m["prefixItems"].([]any); ok {
		for _, schema := range prefix {
			out = append(out, s.value(schema, name, depth+1))
		}
	}
	n := 1
	if depth >= fullDepth || m["items"] == nil || m["items"] == false {
		n = len(out)
	}
	if contained := m["contains"]; contained != nil {
		out = append(out, s.value(contained, name, depth+1))
	}
	n = min(max(n, len(out), size(m, "minItems", 0)), size(m, "maxItems", maxValues))
	for i := len(out); i < n; i++ {
		out = append(out, s.another(m, name, depth, i))
	}
	return out[:n]
}

// another makes an element. The elements of a set differ where it is easy to tell how.
func (s *sampler) another(m map[string]any, name string, depth, i int) any {
	items, _ := m["items"].(map[string]any)
	if m["uniqueItems"] != true || i == 0 {
		return s.value(m["items"], name, depth+1)
	}
	items = s.flatten(items, depth)
	if list, ok := items["enum"].([]any); ok && i < len(list) {
		return list[i]
	}
	switch v := s.value(items, name, depth+1).(type) {
	case string:
		return v + strconv.Itoa(i+1)
	case float64:
		return v + float64(i)*limit(items, "multipleOf", 1)
	case bool:
		return !v
	default:
		return v
	}
}

// limit returns a number of a schema, or otherwise.
func limit(m map[string]any, field string, otherwise float64) float64 {
	if n, ok := m[field].(float64); ok {
		return n
	}
	return otherwise
}

// size returns a limit that counts something.
func size(m map[string]any, field string, otherwise float64) int {
	return int(max(0, min(limit(m, field, otherwise), maxValues)))
}

func number(m map[string]any, whole bool) float64 {
	step := 1.0
	if !whole {
		step = 0.5
	}
	step = limit(m, "multipleOf", step)
	least := max(limit(m, "minimum", math.Inf(-1)), limit(m, "exclusiveMinimum", math.Inf(-1)))
	most := min(limit(m, "maximum", math.Inf(1)), limit(m, "exclusiveMaximum", math.Inf(1)))
	n := step
	switch {
	case n < least:
		n = math.Ceil(least/step) * step
	case n > most:
		n = math.Floor(most/step) * step
	}
	if n <= limit(m, "exclusiveMinimum", math.Inf(-1)) {
		n += step
	}
	if n >= limit(m, "exclusiveMaximum", math.Inf(1)) {
		n -= step
	}
	if !whole && (n < least || n > most || n <= limit(m, "exclusiveMinimum", math.Inf(-1)) || n >= limit(m, "exclusiveMaximum", math.Inf(1))) {
		n = (least + most) / 2 // between two bounds that are close
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return 1 // the bounds are beyond numbers
	}
	return n
}

// formats are texts that have to look like something.
var formats = map[string]string{
	"date-time": "2000-01-01T00:00:00Z", "date": "2000-01-01", "time": "00:00:00Z", "duration": "PT1S",
	"email": "user@example.com", "hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
	"uri": "https://example.com/", "url": "https://example.com/", "uuid": "00000000-0000-4000-8000-000000000000",
	"byte": "YWJj", "regex": "a",
}

func text(m map[string]any, name string) string {
	if format, ok := m["format"].(string); ok && formats[format] != "" {
		return formats[format]
	}
	least, most := size(m, "minLength", 0), size(m, "maxLength", maxValues)
	if pattern, ok := m["pattern"].(string); ok {
		if v, ok := matching(pattern, least, most); ok {
			return v
		}
	}
	v := []rune(name)
	for len(v) < least {
		v = append(v, 'x')
	}
	return string(v[:min(len(v), most)])
}

// matching makes a text that matches a pattern, unless that is too hard.
func matching(pattern string, least, most int) (string, bool) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return "", false
	}
	for more := range 1 + min(least, 1000) {
		v := write(tree, more)
		if n := len([]rune(v)); n >= least && n <= most && compiled.MatchString(v) {
			return v, true
		}
	}
	return "", false
}

// write makes the text of a pattern, with more repetitions than it needs.
func write(t *syntax.Regexp, more int) string {
	var b strings.Builder
	times := 1
	switch t.Op {
	case syntax.OpLiteral:
		return string(t.Rune)
	case syntax.OpCharClass:
		return string(readable(t.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "a"
	case syntax.OpAlternate:
		return write(t.Sub[0], more)
	case syntax.OpStar, syntax.OpQuest:
		times = 0
	case syntax.OpRepeat:
		times = t.Min
	}
	switch {
	case t.Op == syntax.OpStar || t.Op == syntax.OpPlus || t.Op == syntax.OpRepeat && t.Max < 0:
		times += more
	case t.Op == syntax.OpRepeat:
		times = min(times+more, t.Max)
	case t.Op == syntax.OpQuest:
		times = min(more, 1)
	}
	for range times {
		for _, sub := range t.Sub {
			b.WriteString(write(sub, more))
		}
	}
	return b.String()
}

// readable picks a letter or a digit of a class if there is one.
func readable(ranges []rune) rune {
	for _, wanted := range "aA0" {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= wanted && wanted <= ranges[i+1] {
				return wanted
			}
		}
	}
	return ranges[0]
}
