package copier

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
)

// An anyNode copies what is in an interface. The type does not travel, so the copy is of the types that JSON has.
type anyNode struct{}

func (anyNode) copy(v reflect.Value, depth int) (size int64, null bool, err error) {
	if v.IsNil() {
		return 0, true, nil
	}
	fresh, size, err := copyAny(v.Elem().Interface(), depth)
	if err != nil {
		return 0, false, err
	}
	if fresh == nil {
		v.SetZero()
		return 0, true, nil
	}
	v.Set(reflect.ValueOf(fresh))
	return size, false, nil
}

func (anyNode) check(v reflect.Value, depth int) error {
	if v.IsNil() {
		return nil
	}
	return checkAny(v.Elem().Interface(), depth)
}

// copyAny returns the copy and its size, as nodes do.
func copyAny(v any, depth int) (any, int64, error) {
	switch v := v.(type) {
	case nil:
		return nil, 0, nil
	case bool:
		return v, 0, nil
	case string:
		return v, int64(len(v)), checkString(v)
	case json.Number:
		if v == "" {
			v = "0"
		}
		return v, int64(len(v)) - 1, checkNumber(string(v))
	case int:
		return json.Number(strconv.Itoa(v)), 0, nil
	case int64:
		return json.Number(strconv.FormatInt(v, 10)), 0, nil
	case map[string]any:
		if v == nil {
			return nil, 0, nil
		}
		if depth >= maxDepth {
			return nil, 0, tooDeep()
		}
		fresh, size := make(map[string]any, len(v)), sizeOfMap(len(v))
		for key, value := range v {
			if err := checkString(key); err != nil {
				return nil, 0, err
			}
			inner, n, err := copyAny(value, depth+1)
			if err != nil {
				return nil, 0, at("[]", err)
			}
			fresh[key] = inner
			size += int64(len(key)) + n
		}
		return fresh, size, nil
	case []any:
		if v == nil {
			return nil, 0, nil
		}
		if depth >= maxDepth {
			return nil, 0, tooDeep()
		}
		fresh, size := make([]any, len(v)), sizeOfList(len(v))
		for i, value := range v {
			inner, n, err := copyAny(value, depth+1)
			if err != nil {
				return nil, 0, at(index(i), err)
			}
			fresh[i] = inner
			size += n
		}
		return fresh, size, nil
	}
	return through(v, depth)
}

// through takes the long way, for values of types that JSON does not have.
func through(v any, depth int) (any, int64, error) {
	if err := checkAny(v, depth); err != nil {
		return nil, 0, err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, 0, unable(err, "the %T cannot be written", v)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var fresh any
	if err := d.Decode(&fresh); err != nil {
		return nil, 0, unable(err, "the %T cannot be read from what it was written as", v)
	}
	return fresh, int64(len(text)) - 1, nil
}

func checkAny(v any, depth int) error {
	switch v := v.(type) {
	case nil, bool, int, int64:
		return nil
	case string:
		return checkString(v)
	case float64:
		return checkFloat(v)
	case json.Number:
		return checkNumber(string(v))
	case map[string]any:
		if depth >= maxDepth && v != nil {
			return tooDeep()
		}
		for key, value := range v {
			if err := checkString(key); err != nil {
				return err
			}
			if err := checkAny(value, depth+1); err != nil {
				return at("[]", err)
			}
		}
		return nil
	case []any:
		if depth >= maxDepth && v != nil {
			return tooDeep()
		}
		for i, value := range v {
			if err := checkAny(value, depth+1); err != nil {
				return at(index(i), err)
			}
		}
		return nil
	}
	c, err := For(reflect.TypeOf(v))
	if err != nil {
		return refuse("%v", fmt.Errorf("%w, in an interface", err))
	}
	if c.node == nil {
		return nil
	}
	inner := reflect.New(c.typ).Elem()
	inner.Set(reflect.ValueOf(v))
	return c.node.check(inner, depth)
}
