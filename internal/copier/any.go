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

func (anyNode) copy(v reflect.Value, depth int) (bool, error) {
	if v.IsNil() {
		return true, nil
	}
	fresh, err := copyAny(v.Elem().Interface(), depth)
	if err != nil {
		return false, err
	}
	if fresh == nil {
		v.SetZero()
		return true, nil
	}
	v.Set(reflect.ValueOf(fresh))
	return false, nil
}

func (anyNode) check(v reflect.Value, depth int) error {
	if v.IsNil() {
		return nil
	}
	return checkAny(v.Elem().Interface(), depth)
}

func copyAny(v any, depth int) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case bool:
		return v, nil
	case string:
		return v, checkString(v)
	case json.Number:
		if v == "" {
			return json.Number("0"), nil
		}
		return v, checkNumber(string(v))
	case int:
		return json.Number(strconv.Itoa(v)), nil
	case int64:
		return json.Number(strconv.FormatInt(v, 10)), nil
	case map[string]any:
		if v == nil {
			return nil, nil
		}
		if depth >= maxDepth {
			return nil, tooDeep()
		}
		fresh := make(map[string]any, len(v))
		for key, value := range v {
			if err := checkString(key); err != nil {
				return nil, err
			}
			inner, err := copyAny(value, depth+1)
			if err != nil {
				return nil, at("[]", err)
			}
			fresh[key] = inner
		}
		return fresh, nil
	case []any:
		if v == nil {
			return nil, nil
		}
		if depth >= maxDepth {
			return nil, tooDeep()
		}
		fresh := make([]any, len(v))
		for i, value := range v {
			inner, err := copyAny(value, depth+1)
			if err != nil {
				return nil, at(index(i), err)
			}
			fresh[i] = inner
		}
		return fresh, nil
	}
	return through(v, depth)
}

// through takes the long way, for values of types that JSON does not have.
func through(v any, depth int) (any, error) {
	if err := checkAny(v, depth); err != nil {
		return nil, err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, unable(err, "the %T cannot be written", v)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var fresh any
	if err := d.Decode(&fresh); err != nil {
		return nil, unable(err, "the %T cannot be read from what it was written as", v)
	}
	return fresh, nil
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
