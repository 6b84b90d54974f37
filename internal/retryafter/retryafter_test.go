package retryafter_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/internal/retryafter"
)

var now = time.Date(2026, 8, 22, 3, 21, 16, 0, time.UTC)

func TestParse(t *testing.T) {
	tests := []struct {
		headers http.Header
		want    time.Duration
	}{
		{nil, 0},
		{http.Header{"Retry-After": {"2"}}, 2 * time.Second},
		{http.Header{"Retry-After": {" 1.5 "}}, 1500 * time.Millisecond},
		{http.Header{"Retry-After": {"0"}}, 0},
		{http.Header{"Retry-After": {"-1"}}, 0},
		{http.Header{"Retry-After": {"1e3"}}, 0},
		{http.Header{"Retry-After": {"5s"}}, 0},
		{http.Header{"Retry-After": {"99999999999999999999"}}, retryafter.Longest},
		{http.Header{"Retry-After": {"9223372036.9"}}, retryafter.Longest},
		{http.Header{"Retry-After": {"Sat, 22 Aug 2026 03:21:46 GMT"}}, 30 * time.Second},
		{http.Header{"Retry-After": {"Sat, 22 Aug 2026 03:20:46 GMT"}}, 0},
		{http.Header{"Retry-After": {"2", "2"}}, 2 * time.Second},
		{http.Header{"Retry-After": {"2", "3"}}, 0},
		{http.Header{"Retry-After-Ms": {"250"}, "Retry-After": {"1"}}, 250 * time.Millisecond},
		{http.Header{"Retry-After-Ms": {"0"}, "Retry-After": {"1"}}, time.Second},
		{http.Header{"Retry-After-Ms": {"x"}, "X-Ms-Retry-After-Ms": {"7.5"}}, 7500 * time.Microsecond},
	}
	for _, tt := range tests {
		if got := retryafter.Parse(tt.headers, now); got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.headers, got, tt.want)
		}
	}
}

func TestReset(t *testing.T) {
	tests := []struct {
		headers http.Header
		want    time.Duration
	}{
		{nil, 0},
		{http.Header{"X-Ratelimit-Reset-Requests": {"1s"}}, 0},
		{http.Header{"X-Ratelimit-Reset-Requests": {"1s"}, "X-Ratelimit-Remaining-Requests": {"0"}}, time.Second},
		{http.Header{"X-Ratelimit-Reset-Requests": {"1s"}, "X-Ratelimit-Remaining-Requests": {"5"},
			"X-Ratelimit-Reset-Tokens": {"6m0s"}, "X-Ratelimit-Remaining-Tokens": {"0"}}, 6 * time.Minute},
		{http.Header{"X-Ratelimit-Reset-Requests": {"soon"}, "X-Ratelimit-Remaining-Requests": {"0"}}, 0},
	}
	for _, tt := range tests {
		if got := retryafter.Reset(tt.headers); got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.headers, got, tt.want)
		}
	}
}

func TestDuration(t *testing.T) {
	tests := map[string]time.Duration{
		"": 0, "36s": 36 * time.Second, "0.5s": 500 * time.Millisecond, "6m0s": 6 * time.Minute, "12ms": 12 * time.Millisecond, "0s": 0,
		"36": 0, "-3s": 0, "+3s": 0, "soon": 0, "s": 0, "99999999999999999999s": retryafter.Longest, "1e3s": 0,
	}
	for text, want := range tests {
		if got := retryafter.Duration(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// TestCases runs the part of the shared table that is about headers.
func TestCases(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "retry-after", "cases.json"))
	if err != nil {
		t.Skip("the shared table of waits is not here: ", err)
	}
	var table struct {
		Cases []struct {
			Name      string
			Now       time.Time
			Headers   map[string]string
			Body      string
			Saturated bool
			Want      struct {
				Hint *float64 `json:"hint_s"`
			}
		}
	}
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range table.Cases {
		if c.Body != "" {
			continue // how a body says it is up to the client of its provider
		}
		ran++
		t.Run(c.Name, func(t *testing.T) {
			h := http.Header{}
			for name, value := range c.Headers {
				h.Set(name, value)
			}
			var want time.Duration
			if c.Want.Hint != nil {
				want = time.Duration(*c.Want.Hint * float64(time.Second))
			}
			got := retryafter.Parse(h, c.Now)
			if c.Saturated && got < time.Hour || !c.Saturated && (got-want).Abs() > time.Nanosecond {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	if ran < 50 {
		t.Errorf("only %d cases", ran)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"1", "1.5", ".5", "Sat, 22 Aug 2026 03:21:46 GMT", "99999999999", "6m0s", "nan"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"Retry-After", "Retry-After-Ms"} {
			if wait := retryafter.Parse(http.Header{name: {text}}, now); wait < 0 {
				t.Errorf("%s: %q is a wait of %v", name, text, wait)
			}
		}
		// A number of seconds means the same to everybody.
		n, err := strconv.ParseUint(text, 10, 31)
		want := time.Duration(n) * time.Second
		if err == nil && (retryafter.Parse(http.Header{"Retry-After": {text}}, now) != want || retryafter.Duration(text+"s") != want) {
			t.Errorf("%q is a wait of %v and a duration of %v", text, retryafter.Parse(http.Header{"Retry-After": {text}}, now), retryafter.Duration(text+"s"))
		}
		if at, err := http.ParseTime(text); err == nil && retryafter.Parse(http.Header{"Retry-After": {text}}, now) != max(at.Sub(now), 0) {
			t.Errorf("%q is not a wait until %v", text, at)
		}
		if wait := retryafter.Duration(text); wait < 0 || wait > 0 && strings.ContainsAny(text, "+-") {
			t.Errorf("%q is a duration of %v", text, wait)
		}
	})
}

func Example() {
	h := http.Header{"Retry-After": {"30"}}
	fmt.Println(retryafter.Parse(h, time.Now()))
	// Output: 30s
}
