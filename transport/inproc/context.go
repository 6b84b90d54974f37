package inproc

import "context"

// A bare context ends with the caller's and has none of its values: they stay with the caller, as between processes.
type bare struct{ context.Context }

// Value returns nothing.
func (b *bare) Value(any) any { return nil }

// AfterFunc lets package context derive from a bare context without a goroutine.
func (b *bare) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(b.Context, f) }
