package transport_test

import (
	"log/slog"
	"testing"
)

// quiet keeps stacks that are logged on purpose out of the output of a test.
func quiet(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(before) })
}
