package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// A spinner shows that something goes on.
type spinner struct {
	stop func() // may be called more than once; returns when nothing is written any longer
}

// spin starts one, if there is somebody to look at it.
func spin(w io.Writer, wanted bool) spinner {
	if !wanted {
		return spinner{func() {}}
	}
	quit, over := make(chan struct{}), make(chan struct{})
	go func() { // ends with stop, which waits for it
		defer close(over)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
				fmt.Fprintf(w, "\r%c ", `|/-\`[i%4]) // which every terminal has
			case <-quit:
				fmt.Fprint(w, "\r\x1b[K") // the line is clean again
				return
			}
		}
	}()
	return spinner{sync.OnceFunc(func() {
		close(quit)
		<-over
	})}
}
