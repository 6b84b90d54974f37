// Package retryafter reads how long a server asks its clients to wait.
package retryafter

import (
	"math"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// Longest is the wait that stands for everything longer: about 292 years.
const Longest = time.Duration(math.MaxInt64)

// Parse returns the wait that the headers of a response ask for, or 0 if they ask for none. now is the time at which the
// response came, for waits that are given as a date.
//
// It looks at Retry-After-Ms, X-Ms-Retry-After-Ms and Retry-After, in this order, for the first wait above zero. A wait
// is a decimal number, of milliseconds or, in Retry-After, of seconds; there it may also be a date in one of the three
// forms of HTTP. Anything else is ignored, a date that has passed is no wait, and a number beyond a Duration is
// [Longest], never a short wait. The result is what was asked for: capping it is up to those who wait.
func Parse(h http.Header, now time.Time) time.Duration {
	for _, name := range []string{"Retry-After-Ms", "X-Ms-Retry-After-Ms"} {
		if wait, ok := decimal(value(h, name), time.Millisecond); ok && wait > 0 {
			return wait
		}
	}
	text := value(h, "Retry-After")
	if wait, ok := decimal(text, time.Second); ok {
		return wait
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(at.Sub(now), 0) // Sub saturates
}

// Reset returns the wait until the limit that a response ran into has room again, by the X-Ratelimit-Reset-Requests and
// X-Ratelimit-Reset-Tokens headers of model providers, or 0 if they do not say. It is the longer wait of those limits
// of which nothing remains; a limit that says nothing about its remainder does not count. It is weaker evidence than
// [Parse]: ask that first.
func Reset(h http.Header) time.Duration {
	var longest time.Duration
	for _, limit := range []string{"Requests", "Tokens"} {
		if value(h, "X-Ratelimit-Remaining-"+limit) != "0" {
			continue
		}
		longest = max(longest, Duration(value(h, "X-Ratelimit-Reset-"+limit)))
	}
	return longest
}

// Duration returns the wait in a body or a header of a provider, such as "36s", "1.5s" or "6m0s", or 0 if text is not
// one. A bare number has no unit and is not one.
func Duration(text string) time.Duration {
	if text == "" || text[0] < '0' || text[0] > '9' {
		return 0
	}
	wait, err := time.ParseDuration(text)
	if err == nil {
		return max(wait, 0)
	}
	if digits, ok := strings.CutSuffix(text, "s"); ok {
		if wait, ok := decimal(digits, time.Second); ok { // too long for ParseDuration
			return wait
		}
	}
	return 0
}

// value returns the only value of a header, without the space around it. A header that came twice with different values
// says nothing: nobody knows which one is meant.
func value(h http.Header, name string) string {
	values := h[name]
	if len(values) == 0 {
		return ""
	}
	for _, v := range values[1:] {
		if v != values[0] {
			return ""
		}
	}
	return textproto.TrimString(values[0])
}

// decimal reads ASCII digits with at most one point among them. It is stricter than strconv, which takes
// signs, exponents, infinities and underscores.
func decimal(text string, unit time.Duration) (wait time.Duration, ok bool) {
	digits, points := 0, 0
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '.':
			points++
		default:
			return 0, false
		}
	}
	if digits == 0 || points > 1 {
		return 0, false
	}
	whole, fraction, _ := strings.Cut(text, ".")
	n := int64(0)
	if whole != "" {
		// The only error left is a number out of range, for which ParseInt returns the largest.
		n, _ = strconv.ParseInt(whole, 10, 64)
	}
	if n > int64(Longest/unit)-1 {
		return Longest, true
	}
	part := 0.0
	if fraction != "" {
		part, _ = strconv.ParseFloat("0."+fraction, 64)
	}
	return time.Duration(n)*unit + time.Duration(math.Round(part*float64(unit))), true
}
