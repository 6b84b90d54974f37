// Package ndjson reads newline-delimited JSON: one document a line.
//
//	r := ndjson.NewReader(body, 0) // 0: lines of at most DefaultMax bytes
//	for {
//		line, err := r.Next() // valid until the next call
//		...                   // io.EOF at the end; a TooLarge error; or what body reported
//	}
//
// A line is handed out as soon as its end is there, without waiting for a byte more. Empty lines are passed over. The last
// line needs no end; whether it is all there is for whoever decodes it to see.
package ndjson
