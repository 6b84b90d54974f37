// Package sse reads and writes event streams: text/event-stream, as the WHATWG's HTML standard defines it under
// "Server-sent events".
//
// Reading:
//
//	r := sse.NewReader(body, 0) // 0: events of at most DefaultMax bytes
//	for {
//		e, err := r.Next() // e.Type, e.Data and e.ID are valid until the next call
//		...                // io.EOF at the end; a TooLarge error; or what body reported
//	}
//	data, begun := r.Pending() // after io.EOF: what the standard drops, for those who are more lenient
//
// Writing:
//
//	buf = sse.AppendEvent(buf[:0], sse.Event{Data: data})
//	buf = sse.AppendComment(buf, "keep-alive")
//
// An event is never handed out before the empty line that ends it, and it is handed out as soon as that line is there,
// without waiting for a byte more. A Reader keeps one buffer, in which the data of most events is handed out as it lies.
package sse
