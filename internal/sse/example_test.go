package sse_test

import (
	"fmt"
	"strings"

	"github.com/dovetail-go/dovetail/internal/sse"
)

func Example() {
	stream := sse.AppendEvent(nil, sse.Event{Type: []byte("delta"), Data: []byte("two\nlines")})
	stream = sse.AppendComment(stream, "keep-alive")

	r := sse.NewReader(strings.NewReader(string(stream)), 0)
	e, err := r.Next()
	fmt.Printf("%s %q %v\n", e.Type, e.Data, err)
	_, err = r.Next()
	fmt.Println(err)
	// Output:
	// delta "two\nlines" <nil>
	// EOF
}
