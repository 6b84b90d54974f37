package httptransport

import (
	"bufio"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestFarewellToWhom: a connection that was made in advance and one that waits are told; one that has just been made and may be
// about to speak, one that speaks HTTP/2, and one on which something goes on, are not.
func TestFarewellToWhom(t *testing.T) {
	for name, c := range map[string]struct {
		states []http.ConnState
		http1  bool
		after  time.Duration
		told   bool
	}{
		"waits":          {[]http.ConnState{http.StateNew, http.StateActive, http.StateIdle}, true, 0, true},
		"HTTP/2":         {[]http.ConnState{http.StateNew, http.StateActive, http.StateIdle}, false, time.Hour, false},
		"at work":        {[]http.ConnState{http.StateNew, http.StateActive}, true, time.Hour, false},
		"new":            {[]http.ConnState{http.StateNew}, false, noticeTime / 4, false},
		"long silent":    {[]http.ConnState{http.StateNew}, false, noticeTime, true},
		"begins to wait": {[]http.ConnState{http.StateNew, http.StateActive}, true, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				defer theirs.Close()
				var p peers
				hs := &http.Server{}
				p.watch(hs)
				ctx := hs.ConnContext(t.Context(), ours)
				for _, s := range c.states {
					hs.ConnState(ours, s)
				}
				ctx.Value(peerKey{}).(*peer).http1.Store(c.http1)
				time.Sleep(c.after)
				answers := make(chan *http.Response, 1)
				go func() { // ends when it has read an answer, or ours is closed
					resp, err := http.ReadResponse(bufio.NewReader(theirs), nil)
					if err == nil {
						answers <- resp
					}
					close(answers)
				}()
				over := make(chan struct{})
				go func() { // waited for below
					defer close(over)
					p.farewell()
				}()
				if name == "begins to wait" {
					synctest.Wait()
					hs.ConnState(ours, http.StateIdle)
				}
				synctest.Wait()
				hs.ConnState(ours, http.StateClosed)
				<-over
				ours.Close()
				resp := <-answers
				if (resp != nil) != c.told || resp != nil && resp.StatusCode != http.StatusRequestTimeout {
					t.Errorf("it was told %+v", resp)
				}
			})
		})
	}
}
