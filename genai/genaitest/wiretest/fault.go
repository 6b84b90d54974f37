package wiretest

import (
	"net/http"
	"time"
)

// A Fault is what goes wrong with one response on its way to the client. The zero Fault is nothing: the response goes
// out as the model gives it.
type Fault struct {
	// Late holds everything back for a while, the headers too. A client that waits for headers sees nothing meanwhile.
	Late time.Duration

	// Early sends the headers at once, with a status of 200, and not with the first piece, which is when the server
	// otherwise knows that the model did not fail. What fails later can then be told inside of the body only, as many
	// providers do. It concerns streams.
	Early bool

	// Status and Body are sent instead of asking the model, whose script does not move, and whatever the path. A Status
	// without a Body comes with the document in which the provider reports such an error; a Body without a Status comes with
	// 200, which is how proxies apologise. Its type is that of JSON: for a stream, or anything else, set it in Header.
	Status int
	Body   string

	// Header is set over the headers of the response: another Content-Type, a Retry-After.
	Header http.Header

	// Slice sends the body in pieces of so many bytes, each of which is flushed by itself; 0 means as they are made.
	Slice int

	// Then happens when After pieces (texts, thoughts, parts of tool calls; what a provider says around them does not
	// count) and Bytes bytes of whatever comes behind them are out, or at the end of a body that has less. A whole answer
	// is not made of pieces, so Bytes alone says where in it.
	Then  Mishap
	After int
	Bytes int
}

// A Mishap is what happens in the middle of a response.
type Mishap string

// The mishaps. The zero value is none.
const (
	Cut     Mishap = "cut"     // the connection is closed without the end of the body that the protocol asks for
	Reset   Mishap = "reset"   // the connection is reset, as by a machine that died; over a pipe it is a Cut
	Stop    Mishap = "stop"    // the body ends in good order, though the answer does not
	Stall   Mishap = "stall"   // nothing more comes, and the connection stays open until the client leaves
	Garbage Mishap = "garbage" // something that is not the protocol comes, and then the rest
)
