package genaitest

import "reflect"

// clone copies everything that v leads to, but for the values that cannot be changed anyway: unexported fields are
// taken over as they are, which suits Blob.
func clone[T any](v T) T {
	copied := reflect.New(reflect.TypeFor[T]()).Elem()
	copied.Set(reflect.ValueOf(&v).Elem())
	detach(copied)
	return copied.Interface().(T)
}

// detach replaces what v shares with its original by copies.
func detach(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			target := reflect.New(v.Type().Elem())
			target.Elem().Set(v.Elem())
			detach(target.Elem())
			v.Set(target)
		}
	case reflect.Slice:
		if !v.IsNil() {
			fresh := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(fresh, v)
			for i := range fresh.Len() {
				detach(fresh.Index(i))
			}
			v.Set(fresh)
		}
	case reflect.Map:
		if !v.IsNil() {
			fresh := reflect.MakeMapWithSize(v.Type(), v.Len())
			for key, value := range v.Seq2() {
				copied := reflect.New(value.Type()).Elem()
				copied.Set(value)
				detach(copied)
				fresh.SetMapIndex(key, copied)
			}
			v.Set(fresh)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				detach(v.Field(i))
			}
		}
	}
}
