package sse

import "bytes"

// AppendEvent appends e to dst in the form in which it is sent, with the empty line that ends it. An empty Type or ID is
// left out. Every line of Data becomes a line of its own; a carriage return in it reads back as a line feed, since the
// format has no way to carry one. Line ends in Type and ID are dropped, so that neither can begin another field.
func AppendEvent(dst []byte, e Event) []byte {
	if len(e.Type) > 0 {
		dst = appendLine(append(dst, "event: "...), e.Type)
	}
	if len(e.ID) > 0 {
		dst = appendLine(append(dst, "id: "...), e.ID)
	}
	data := e.Data
	for {
		end := lineEnd(data)
		dst = append(append(append(dst, "data: "...), data[:end]...), '\n')
		if end == len(data) {
			return append(dst, '\n')
		}
		if data[end] == '\r' && end+1 < len(data) && data[end+1] == '\n' {
			end++
		}
		data = data[end+1:]
	}
}

// AppendComment appends a comment to dst, with an empty line behind it: readers pass over it, and the connection is seen
// to live. Line ends in text are dropped.
func AppendComment(dst []byte, text string) []byte {
	return append(appendLine(append(dst, ": "...), []byte(text)), '\n')
}

// appendLine appends text without the line ends in it, and one behind it.
func appendLine(dst, text []byte) []byte {
	for {
		end := lineEnd(text)
		dst = append(dst, text[:end]...)
		if end == len(text) {
			return append(dst, '\n')
		}
		text = text[end+1:]
	}
}

// lineEnd returns where the first line of text ends.
func lineEnd(text []byte) int {
	end := len(text)
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		end = i
	}
	if i := bytes.IndexByte(text[:end], '\r'); i >= 0 {
		end = i
	}
	return end
}
