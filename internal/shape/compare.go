package shape

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Change is how one version of an operation differs from another.
type Change struct {
	Where    string // "request.messages[].text"; "" is the operation
	What     string
	Old, New string // what it was and is, where both are known
	Clash    bool   // what one side writes, the other cannot read, or would misread
	Breaking bool   // a side that was not changed may miss something; a clash is breaking too
}

// Compare returns the changes from one version to another, in the order of their places. A request is written by who has
// either version and read by who has the other; so is a response.
func Compare(before, after *Op) []Change {
	var all []Change
	add := func(where, format string, breaking bool, args ...any) {
		all = append(all, Change{Where: where, What: fmt.Sprintf(format, args...), Breaking: breaking})
	}
	if before.Streams != after.Streams {
		c := Change{Where: "response", Old: "a value", New: "a stream of pieces", Clash: true, Breaking: true}
		if before.Streams {
			c.Old, c.New = c.New, c.Old
		}
		c.What = became(c.Old, c.New)
		all = append(all, c)
	}
	if before.Idempotency != after.Idempotency {
		// Whoever relies on repetitions must be told; who did not is not hurt if they become harmless.
		add("", "the idempotency was %s and is %s", before.Idempotency != "" && !(before.Idempotency == "keyed" && after.Idempotency == "safe"),
			named(before.Idempotency), named(after.Idempotency))
	}
	c := &comparison{before: before, after: after, seen: map[[2]string]bool{}}
	c.request = true
	c.types("request", before.Request, after.Request)
	c.request, c.seen = false, map[[2]string]bool{}
	c.types("response", before.Response, after.Response)
	return append(all, c.changes...)
}

func named(idempotency string) string {
	if idempotency == "" {
		return "none"
	}
	return idempotency
}

// A comparison is one of requests or one of responses.
type comparison struct {
	before, after *Op
	request       bool // written by old callers for new handlers; otherwise by new handlers for old callers
	seen          map[[2]string]bool
	changes       []Change
}

func (c *comparison) add(where, what string, breaking bool) {
	c.changes = append(c.changes, Change{Where: where, What: what, Breaking: breaking})
}

func (c *comparison) became(where, before, after string, clash, breaking bool) {
	before, after = readable(before), readable(after)
	c.changes = append(c.changes, Change{where, became(before, after), before, after, clash, clash || breaking})
}

func became(before, after string) string { return fmt.Sprintf("it was %s and is %s", before, after) }

// maxDepth is how long the name of a place may be that is looked at: somebody else may have written the description.
const maxDepth = 2000

// types compares two types at a place.
func (c *comparison) types(where, before, after string) {
	before, after = strings.TrimSuffix(before, "?"), strings.TrimSuffix(after, "?")
	key := [2]string{before, after}
	if c.seen[key] || len(where) > maxDepth {
		return
	}
	c.seen[key] = true
	a, b := parse(before), parse(after)
	switch {
	case a.kind == "struct" && b.kind == "struct":
		c.fields(where, c.before.Types[a.name], c.after.Types[b.name])
	case a.kind == "list" && b.kind == "list":
		if a.length != b.length {
			c.became(where, before, after, true, true)
		}
		c.types(where+"[]", a.elem, b.elem)
	case a.kind == "map" && b.kind == "map":
		c.types(where+"[]", a.elem, b.elem)
	case before == after:
	default:
		clash, breaking := c.scalars(a, b)
		c.became(where, before, after, clash, breaking)
	}
}

func readable(text string) string {
	if strings.HasPrefix(text, "#") {
		return "an object"
	}
	return text
}

// scalars compares two types that are not alike.
func (c *comparison) scalars(a, b typ) (clash, breaking bool) {
	writer, reader := a, b // the direction in which old meets new: callers write requests, handlers write responses
	if !c.request {
		writer, reader = b, a
	}
	switch {
	case reader.kind == "json":
		return false, false
	case writer.kind == "json":
		return false, true // it may or may not fit, value by value
	case writer.number() && reader.number():
		return !c.numbersFit(writer, reader) && !c.numbersMayFit(writer, reader), !c.numbersFit(writer, reader)
	case writer.text() && reader.text():
		return false, reader.kind != "string"
	}
	return true, true
}

// numbersFit reports whether each number of one type is one of the other.
func (c *comparison) numbersFit(writer, reader typ) bool {
	switch {
	case reader.kind == "number":
		return true
	case writer.kind == "number":
		return false
	case reader.kind == "float":
		return writer.kind != "float" && writer.bits < reader.bits || writer.kind == "float" && writer.bits <= reader.bits
	case writer.kind == reader.kind:
		return writer.bits <= reader.bits
	}
	return writer.kind == "uint" && reader.kind == "int" && writer.bits < reader.bits
}

// numbersMayFit reports whether some numbers do, and whoever reads another one says so.
func (c *comparison) numbersMayFit(writer, reader typ) bool {
	return writer.kind != "float" || reader.kind == "float"
}

// fields compares two structs.
func (c *comparison) fields(where string, before, after Struct) {
	names := map[string]bool{}
	for name := range before {
		names[name] = true
	}
	for name := range after {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		at := where + "." + name
		a, was := before[name]
		b, is := after[name]
		wasOptional, isOptional := strings.HasSuffix(a, "?"), strings.HasSuffix(b, "?")
		switch {
		case !is:
			c.add(at, "it is gone", c.request || !wasOptional) // handlers look no more at what callers still send
		case !was && isOptional:
			c.add(at, "it is new and optional", false)
		case !was:
			c.add(at, "it is new and always there", c.request) // callers who do not know it do not send it
		default:
			if wasOptional && !isOptional {
				c.add(at, "it was optional and is always there", c.request)
			}
			if !wasOptional && isOptional {
				c.add(at, "it was always there and is optional", !c.request)
			}
			c.types(at, a, b)
		}
	}
}

// A typ is a type that was parsed.
type typ struct {
	kind   string // "struct", "list", "map", "int", "uint", "float", or what is written
	name   string // of the struct
	elem   string
	length int // of an array; -1 for a slice
	bits   int
}

func (t typ) number() bool {
	return t.kind == "int" || t.kind == "uint" || t.kind == "float" || t.kind == "number"
}

// text reports whether values are strings that say the same in either type, if they fit. Bytes do not: some strings would be taken
// for base64.
func (t typ) text() bool { return t.kind == "string" || t.kind == "text" || t.kind == "time" }

func parse(text string) typ {
	if name, ok := strings.CutPrefix(text, "#"); ok {
		return typ{kind: "struct", name: name}
	}
	if elem, ok := strings.CutPrefix(text, "map[string]"); ok {
		return typ{kind: "map", elem: elem}
	}
	if rest, ok := strings.CutPrefix(text, "["); ok {
		length, elem, ok := strings.Cut(rest, "]")
		if n, err := strconv.Atoi(length); ok && err == nil && n >= 0 {
			return typ{kind: "list", elem: elem, length: n}
		}
		if ok && length == "" {
			return typ{kind: "list", elem: elem, length: -1}
		}
	}
	for _, kind := range []string{"int", "uint", "float"} {
		if bits, ok := strings.CutPrefix(text, kind); ok {
			if n, err := strconv.Atoi(bits); err == nil {
				return typ{kind: kind, bits: n}
			}
		}
	}
	return typ{kind: text}
}
