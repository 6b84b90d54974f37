package faultproxy

// A Fault is what becomes of one connection. The zero value is none.
type Fault struct {
	Up   Flow // what the client sends
	Down Flow // what the server sends
}

// A Flow is what becomes of the bytes in one direction.
type Flow struct {
	// Slice is how many bytes are passed on at a time; 0 means as many as there are.
	Slice int

	// How says what happens behind the first After bytes. "" means that nothing does.
	How   How
	After int64
}

// How is the way in which a connection breaks.
type How string

// The ways.
const (
	End   How = "end"   // both sides see it end, in good order
	Reset How = "reset" // both sides see it reset
	Half  How = "half"  // the receiver sees this direction end; the other one goes on
	Stall How = "stall" // nothing more comes, and nobody is told, until Heal or Close
)
