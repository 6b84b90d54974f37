package copier

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/dovetail-go/dovetail/genai"
)

// maxDepth is how deep pointers, slices, maps and interfaces may be nested in a value. Data that refers to itself is
// deeper than anything.
const maxDepth = 1000

// A Copier copies values of one type. It is safe for concurrent use.
type Copier struct {
	typ  reflect.Type
	node node // nil: an assignment is a copy
}

// A node knows how to treat the values of one type.
type node interface {
	// copy turns v, which is settable and so far a shallow copy, into a deep one. It reports how many bytes more than
	// one the value takes at least when it travels, and whether it is null in JSON, because a pointer to such a value arrives as
	// a nil pointer.
	copy(v reflect.Value, depth int) (size int64, null bool, err error)
	// check returns the error that copy would, and changes nothing. v is addressable.
	check(v reflect.Value, depth int) error
}

// copiers holds one Copier for each type that was asked for, or the error.
var copiers sync.Map // reflect.Type to outcome

type outcome struct {
	copier *Copier
	err    error
}

// For returns the Copier of t. The error names the field that cannot travel, and why.
func For(t reflect.Type) (*Copier, error) {
	if known, ok := copiers.Load(t); ok {
		o := known.(outcome)
		return o.copier, o.err
	}
	o := outcome{}
	if n, err := compile(t); err != nil {
		o.err = err
	} else {
		o.copier = &Copier{typ: t, node: n}
	}
	known, _ := copiers.LoadOrStore(t, o)
	o = known.(outcome)
	return o.copier, o.err
}

// Copy returns a deep copy of v, which is a value of the type, or a pointer to one and then gives a pointer; and how many bytes it
// takes at least when it travels: those of texts, of Blobs and of what is in lists, and not what stands between them.
func (c *Copier) Copy(v any) (copied any, size int64, err error) {
	from := reflect.ValueOf(v)
	switch {
	case v == nil:
		return nil, 0, c.wrong(v)
	case from.Kind() == reflect.Pointer && !from.IsNil() && c.typ == from.Type():
		// The common case: the copy is made where it will stay.
		to := reflect.New(c.typ.Elem())
		to.Elem().Set(from.Elem())
		if p, ok := c.node.(*pointerNode); ok && p.elem != nil {
			n, null, err := p.elem.copy(to.Elem(), 1)
			if err != nil {
				return nil, 0, err
			}
			if null {
				return reflect.Zero(c.typ).Interface(), 0, nil
			}
			size = n
		}
		return to.Interface(), size, nil
	case c.typ == from.Type():
		to := reflect.New(c.typ).Elem()
		to.Set(from)
		if size, err = c.copy(to); err != nil {
			return nil, 0, err
		}
		return to.Interface(), size, nil
	case from.Kind() == reflect.Pointer && from.Type().Elem() == c.typ && !from.IsNil():
		to := reflect.New(c.typ)
		to.Elem().Set(from.Elem())
		if size, err = c.copy(to.Elem()); err != nil {
			return nil, 0, err
		}
		return to.Interface(), size, nil
	}
	return nil, 0, c.wrong(v)
}

// CopyInto copies what from points to into what to points to, and returns its size as Copy does. Both are pointers to the type. If
// it fails, what to points to is zero.
func (c *Copier) CopyInto(to, from any) (size int64, err error) {
	source, target := reflect.ValueOf(from), reflect.ValueOf(to)
	for _, v := range []reflect.Value{source, target} {
		if v.Kind() != reflect.Pointer || v.Type().Elem() != c.typ || v.IsNil() {
			return 0, genai.Errorf(genai.Internal, "copying a %v was given a %v", c.typ, v)
		}
	}
	target.Elem().Set(source.Elem())
	if size, err = c.copy(target.Elem()); err != nil {
		target.Elem().SetZero()
		return 0, err
	}
	return size, nil
}

func (c *Copier) copy(v reflect.Value) (size int64, err error) {
	if c.node == nil {
		return 0, nil
	}
	size, _, err = c.node.copy(v, 0)
	return size, err
}

// Check returns the error that Copy would return, and copies nothing. It is given what Copy is given.
func (c *Copier) Check(v any) error {
	from := reflect.ValueOf(v)
	switch {
	case v == nil:
		return c.wrong(v)
	case from.Type() == c.typ:
		if c.node == nil {
			return nil
		}
		if p, ok := c.node.(*pointerNode); ok {
			return p.check(from, 0)
		}
		addressable := reflect.New(c.typ).Elem()
		addressable.Set(from)
		return c.node.check(addressable, 0)
	case from.Kind() == reflect.Pointer && from.Type().Elem() == c.typ && !from.IsNil():
		if c.node == nil {
			return nil
		}
		return c.node.check(from.Elem(), 0)
	}
	return c.wrong(v)
}

func (c *Copier) wrong(v any) error {
	return genai.Errorf(genai.Internal, "copying a %v was given a %T", c.typ, v)
}

// refuse makes the error of a value that cannot travel. Those who pass it on put the path before it.
func refuse(format string, args ...any) *genai.Error {
	return &genai.Error{Kind: genai.InvalidRequest, Message: fmt.Sprintf(format, args...)}
}

// at puts a step of the path before the field that err names.
func at(step string, err error) error {
	e, ok := err.(*genai.Error)
	if !ok {
		return err
	}
	if e.Field != "" && e.Field[0] != '[' {
		step += "."
	}
	e.Field = step + e.Field
	return e
}

func tooDeep() error {
	return refuse("the value is nested more than %d levels deep, or contains itself", maxDepth)
}
