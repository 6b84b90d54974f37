package transport

// A Message is a request, a response or a piece on its way: JSON, and the raw bytes of the Blobs in it, to which the JSON
// refers by number. Parts are shared with the Blobs and must not be changed.
type Message struct {
	Head  []byte
	Parts [][]byte
}

// Len returns how many bytes there are.
func (m Message) Len() int64 {
	n := int64(len(m.Head))
	for _, p := range m.Parts {
		n += int64(len(p))
	}
	return n
}
