package cache

import (
	"container/list"
	"context"
	"io"
	"reflect"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
	"github.com/dovetail-go/dovetail/internal/copier"
)

// Cache is a policy that keeps answers, and answers the same request again from what it has kept. It is in memory, and
// bounded: the answer that was not used for the longest time makes room. Without a Tenant it does nothing.
//
// Only complete answers are kept: never an error, and never a stream that was cut or that its reader did not read to the
// end. A stream is kept as it passes, and comes again piece by piece, as fast as it is read. An answer of more than an
// eighth of Bytes is not kept.
//
// An answer that is given again is as it was, its Usage too, although nothing was used: those who count tokens have to
// stand inside. Whether there was one is told as an event of the name "cache", with "hit" or "miss" in To
// (see [genai.Listen]).
//
// One Cache may guard many handlers. They share its bounds, and no answers. Its fields are not changed after the first
// call.
type Cache struct {
	// Tenant says on whose behalf a request is made, such as a customer: only he is given the answers to his own requests.
	// "" means that this request has nothing to do with the cache, and a nil Tenant that none has. See [Everyone].
	Tenant func(ctx context.Context) string

	Sampled bool          // also keep answers that are left to chance; see the package's description
	TTL     time.Duration // how long an answer is kept; 0 means 10 minutes
	Bytes   int64         // how much is kept, about, in bytes; 0 means 64 MiB

	mu      sync.Mutex
	entries map[key]*list.Element
	recent  list.List // of *entry, the one that was used last in front
	size    int64
}

// An entry is an answer that is kept. It does not change, and is never given away itself.
type entry struct {
	key     key
	expires int64 // by the clock
	size    int64
	value   any      // the answer, or a nil stream of its type
	stream  refiller // nil for a value
	pieces  []any    // pointers
	copier  *copier.Copier
}

// A refiller is every stream: it opens another one of its type.
type refiller interface {
	Fill(ctx context.Context, next func(piece any) error, stop func()) (any, error)
}

// overhead is what an entry takes beside its contents.
const overhead = 256

// Wrap returns next with the cache before it.
func (c *Cache) Wrap(next genai.AnyHandler) genai.AnyHandler {
	handler := wrapped.Add(1)
	return func(ctx context.Context, req any) (any, error) {
		k, ok := keyOf(ctx, handler, c.Tenant, c.Sampled, req)
		if !ok {
			return next(ctx, req)
		}
		if e := c.get(k); e != nil {
			if resp, err := e.open(ctx); err == nil || ctx.Err() != nil {
				genai.Emit(ctx, genai.Event{Name: "cache", To: "hit"})
				return resp, err
			}
		}
		genai.Emit(ctx, genai.Event{Name: "cache", To: "miss"})
		resp, err := next(ctx, req)
		if err != nil {
			return nil, err
		}
		if s, ok := resp.(refiller); ok {
			c.follow(k, s)
		} else {
			c.keep(k, resp)
		}
		return resp, nil
	}
}

// Clear forgets all answers.
func (c *Cache) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries, c.size = nil, 0
	c.recent.Init()
}

// Len returns how many answers are kept.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recent.Len()
}

func (c *Cache) bytes() int64 {
	if c.Bytes > 0 {
		return c.Bytes
	}
	return 64 << 20
}

func (c *Cache) get(k key) *entry {
	now := clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	place := c.entries[k]
	if place == nil {
		return nil
	}
	e := place.Value.(*entry)
	if now >= e.expires {
		c.remove(place)
		return nil
	}
	c.recent.MoveToFront(place)
	return e
}

func (c *Cache) put(e *entry) {
	ttl := c.TTL
	if ttl <= 0 {
		ttl = 10 * time.Minute
	}
	e.expires = clock.Now() + int64(ttl)
	e.size += overhead
	limit := c.bytes()
	if e.size > limit/8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[e.key]; old != nil {
		c.remove(old)
	}
	if c.entries == nil {
		c.entries = map[key]*list.Element{}
	}
	c.entries[e.key] = c.recent.PushFront(e)
	c.size += e.size
	for c.size > limit {
		c.remove(c.recent.Back())
	}
}

func (c *Cache) remove(place *list.Element) {
	e := c.recent.Remove(place).(*entry)
	delete(c.entries, e.key)
	c.size -= e.size
}

// keep puts away a copy of an answer.
func (c *Cache) keep(k key, resp any) {
	if resp == nil {
		return
	}
	size := sizeOf(resp)
	if size > c.bytes()/8 {
		return
	}
	p, err := copier.For(reflect.TypeOf(resp))
	if err != nil {
		return // it cannot travel, which is said of such types
	}
	value, _, err := p.Copy(resp)
	if err != nil || isNil(value) {
		return
	}
	c.put(&entry{key: k, size: size, value: value, copier: p})
}

// isNil reports whether a copy is a nil pointer, which those of values are that are null in JSON.
func isNil(copied any) bool {
	v := reflect.ValueOf(copied)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// follow puts away copies of the pieces of a stream as its consumer gets them, and keeps them if it is complete.
func (c *Cache) follow(k key, s refiller) {
	e := &entry{key: k, stream: reflect.Zero(reflect.TypeOf(s)).Interface().(refiller)}
	limit := c.bytes() / 8
	whole := true
	genai.Watch(s, nil, func(piece any) {
		if !whole {
			return
		}
		if whole = e.add(piece) && e.size <= limit; !whole {
			e.pieces = nil
		}
	})
	genai.Finally(s, nil, func(err error) {
		if err == nil && whole {
			c.put(e)
		}
	})
}

// add puts away a copy of a piece.
func (e *entry) add(piece any) bool {
	if e.copier == nil {
		p, err := copier.For(reflect.TypeOf(piece).Elem())
		if err != nil {
			return false
		}
		e.copier = p
	}
	copied, _, err := e.copier.Copy(piece)
	if err != nil {
		return false
	}
	e.pieces = append(e.pieces, copied)
	e.size += sizeOf(piece)
	return true
}

// open makes an answer out of what is kept.
func (e *entry) open(ctx context.Context) (any, error) {
	if e.stream == nil {
		copied, _, err := e.copier.Copy(e.value)
		return copied, err
	}
	left := e.pieces
	return e.stream.Fill(ctx, func(piece any) error {
		if len(left) == 0 {
			return io.EOF
		}
		from := left[0]
		left = left[1:]
		_, err := e.copier.CopyInto(piece, from)
		return err
	}, nil)
}
