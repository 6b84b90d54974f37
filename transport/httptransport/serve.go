package httptransport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

const (
	noticeTime     = 250 * time.Millisecond // for callers to notice that a server ends, before they find nobody there
	maxHeaderBytes = 64 << 10
)

// Serve answers on l until ctx ends, closes l, and returns nil. It speaks HTTP/1.1, and HTTP/2 with those who begin with
// it; with TLS, whatever the client prefers. Where other machines can reach l, it needs TLS and Identity, or has to be told that
// it is Insecure: otherwise it fails with [genai.Precondition].
//
// When ctx ends, /readyz says so and new calls are refused with [genai.Unavailable], which tells clients that they
// have not started. Running calls and streams may go on for DrainGrace; then their contexts end and their callers get
// [genai.Unavailable]. Serve waits for the handlers a few seconds more, and returns a [genai.Timeout] error that names
// those that did not heed their context. A Server that has ended takes no more calls.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	err := s.reachable(l.Addr())
	if err == nil {
		err = s.checkTLS()
	}
	if err != nil {
		_ = l.Close() // the other error says more
		return err
	}
	hs := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: orElse(s.Limits.Header, headerTime),
		IdleTimeout:       orElse(s.Limits.Idle, idleTime),
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         new(http.Protocols),
		HTTP2:             &http.HTTP2Config{SendPingTimeout: pingTime, PingTimeout: pingTime},
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
	var connections peers
	connections.watch(hs)
	settler := &settler{Listener: l}
	l = settler
	hs.Protocols.SetHTTP1(true)
	serve := func() error { return hs.Serve(l) }
	if _, local := l.Addr().(*net.UnixAddr); local || s.TLS == nil {
		hs.Protocols.SetUnencryptedHTTP2(true)
	} else {
		hs.Protocols.SetHTTP2(true)
		hs.TLSConfig = s.TLS.Clone()
		serve = func() error { return hs.ServeTLS(l, "", "") }
	}
	var failed error
	served := make(chan struct{})
	go func() { // ends with the listener, for which finish waits
		defer close(served)
		failed = serve()
	}()
	select {
	case <-served:
		_ = s.finish(hs, &connections, settler, served)
		return &genai.Error{Kind: genai.Unavailable, Field: "listen", Message: fmt.Sprintf("cannot go on listening at %v: %v", l.Addr(), failed), Err: failed}
	case <-ctx.Done():
	}
	err = s.finish(hs, &connections, settler, served)
	if !errors.Is(failed, http.ErrServerClosed) && !errors.Is(failed, net.ErrClosed) {
		err = errors.Join(err, failed)
	}
	return err
}

// finish ends what runs: the calls first, while the listener still tells new callers that it is over. served is closed when nobody is
// let in any more.
func (s *Server) finish(hs *http.Server, connections *peers, l *settler, served <-chan struct{}) error {
	began := time.Now()
	idle := s.drain()
	grace := s.DrainGrace
	if grace == 0 {
		grace = defaultDrainGrace
	}
	var err error
	if !within(idle, grace) {
		names := s.cancelAll(errShutdown)
		if !within(idle, drainTime) {
			slices.Sort(names)
			err = &genai.Error{Kind: genai.Timeout, Message: "calls went on after their context had ended: " + strings.Join(slices.Compact(names), ", ")}
		}
	}
	called := s.called()
	if called {
		time.Sleep(noticeTime - time.Since(began)) // those who come now are told; those who find nobody cannot know what has become of their call
	}
	if connections.farewell() || called {
		l.settle()
	}
	_ = l.Close()
	<-served // whoever has just been let in is one of the newcomers
	connections.newcomers()
	rest, cancel := context.WithTimeout(context.Background(), drainTime) // for pages, and for answers on their way
	defer cancel()
	_ = hs.Shutdown(rest)
	_ = hs.Close() // what did not end by itself ends now
	return err
}

// within reports whether c is closed before the time is up.
func within(c <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
		return false
	}
}
