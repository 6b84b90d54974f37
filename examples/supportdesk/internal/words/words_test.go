package words

import (
	"slices"
	"testing"
)

func TestOf(t *testing.T) {
	for text, want := range map[string][]string{
		"How do I retry a call?":                 {"retry", "call"},
		"Retries, retried, retrying":             {"retry", "retry", "retry"},
		"Streaming streams; the stream streamed": {"stream", "stream", "stream", "stream"},
		"service services":                       {"servic", "servic"},
		"classes pass":                           {"class", "pass"},
		"HTTP/1.1 503":                           {"http", "503"},
		"":                                       nil,
	} {
		if got := Of(text); !slices.Equal(got, want) {
			t.Errorf("Of(%q) = %q, want %q", text, got, want)
		}
	}
}
