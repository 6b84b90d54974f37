// Package clock reads the monotonic clock, at half the price of time.Now.
package clock

import "time"

// start is what readings are counted from. Its value is never seen: only differences mean something.
var start = time.Now()

// Now returns a reading of the monotonic clock in nanoseconds. Readings may be subtracted from each other, and compared;
// inside a testing/synctest bubble they follow the bubble's time.
func Now() int64 { return int64(time.Since(start)) }
