package wiretest

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

// decode reads a request into the struct that out points to, and returns the fields for which it has no place.
func decode(body []byte, out any) (map[string]json.RawMessage, error) {
	if err := json.Unmarshal(body, out); err != nil {
		var field string
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			field = wrong.Field
		}
		return nil, errBadRequest(field, "the body is not what this operation takes")
	}
	var rest map[string]json.RawMessage
	if err := json.Unmarshal(body, &rest); err != nil {
		return nil, errBadRequest("", "the body is not a JSON object")
	}
	t := reflect.TypeOf(out).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		delete(rest, name)
	}
	if len(rest) == 0 {
		return nil, nil
	}
	return rest, nil
}
