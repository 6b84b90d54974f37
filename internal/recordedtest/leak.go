package recordedtest

import (
	"net/http"
	"runtime"
	"testing"
	"time"
)

// CheckLeaks fails the test if there are more goroutines when it ends, and its servers are closed, than there are now.
func CheckLeaks(t testing.TB) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(time.Minute) // on a machine that has other things to do
		for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
			if transport, ok := http.DefaultTransport.(*http.Transport); ok {
				transport.CloseIdleConnections()
			}
			time.Sleep(time.Millisecond)
		}
		if n := runtime.NumGoroutine(); n > before {
			stacks := make([]byte, 1<<20)
			t.Errorf("%d goroutines before, %d after:\n%s", before, n, stacks[:runtime.Stack(stacks, true)])
		}
	})
}
