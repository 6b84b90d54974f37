package httptransport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

var (
	lend   = transport.Op[*note, *note]{Name: "library.lend"}
	browse = transport.Op[*note, notes]{Name: "library.browse"}
	ledger = transport.Op[*note, *note]{Name: "library.ledger"}
)

// A library is a system of three services: the library, a desk that lends and browses, and an office that reads the ledger.
type library struct {
	lend, lendAsOffice genai.Handler[*note, *note]
	browse             genai.Handler[*note, notes]
	ledger             genai.Handler[*note, *note]
	ledgerAsDesk       genai.Handler[*note, *note] // which the composition knows nothing of
	calls              atomic.Int32
}

// hidden calls in somebody's name without saying what.
type hidden struct{ transport.Client }

func newLibrary(sw *transport.Switch) *library {
	l := &library{}
	desk, office := sw.As("desk"), sw.As("office")
	l.lend, l.browse, l.ledger = lend.Dial(desk), browse.Dial(desk), ledger.Dial(office)
	l.lendAsOffice, l.ledgerAsDesk = lend.Dial(hidden{office}), ledger.Dial(hidden{desk})
	if sw.Hosts("library") {
		lend.Serve(sw, names(&l.calls))
		ledger.Serve(sw, names(&l.calls))
		browse.Serve(sw, func(ctx context.Context, n *note) (notes, error) {
			l.calls.Add(1)
			return counting(ctx, &note{N: 2})
		})
	}
	return l
}

// process runs a switch until the test ends and returns its address.
func process(t *testing.T, sw *transport.Switch) string {
	t.Helper()
	sw.Local = &inproc.Network{}
	at := make(chan string, 1)
	sw.Listening = func(address string) { at <- address }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sw.Run(ctx) }() // waited for by the cleanup
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
	select {
	case address := <-at:
		return address
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		panic("unreachable")
	}
}

// TestEdges: whether services are together or apart, the same callers may call the same operations.
func TestEdges(t *testing.T) {
	watched := make(chan os.Signal, 1) // the first to watch for signals starts a goroutine that never ends
	signal.Notify(watched, os.Interrupt)
	signal.Stop(watched)
	ours, cert := authority(t)
	soon := time.Now().Add(time.Hour)
	tokens := &httptransport.Tokens{}
	tokens.Allow("desk", "the-secret-of-a-process", time.Time{})
	tokens.Allow("office", "the-secret-of-a-process", time.Time{})
	mutual := &tls.Config{
		Certificates: []tls.Certificate{cert(soon, "127.0.0.1", "front", "desk", "office")}, RootCAs: ours.Pool, ClientCAs: ours.Pool,
		ClientAuth: tls.RequireAndVerifyClientCert,
	}
	plain := &tls.Config{Certificates: mutual.Certificates, RootCAs: ours.Pool}
	bearer := func() string { return "the-secret-of-a-process" }
	for name, remote := range map[string]*httptransport.Remote{
		"together":        nil,
		"tokens":          {Identity: tokens, Token: bearer},
		"tokens over TLS": {Identity: tokens, Token: bearer, TLS: plain},
		"certificates":    {Identity: &httptransport.Certificates{}, TLS: mutual},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			var l, host *library
			if remote == nil {
				l = newLibrary(&transport.Switch{Local: &inproc.Network{}})
				host = l
			} else {
				server := &transport.Switch{Placement: transport.Placement{Serve: []string{"library"}, Listen: "127.0.0.1:0"}, Remotes: []transport.Remote{remote}}
				server.Local = &inproc.Network{}
				host = newLibrary(server)
				client := &transport.Switch{Placement: transport.Placement{At: map[string]string{"library": process(t, server)}}, Remotes: []transport.Remote{remote}}
				l = newLibrary(client)
				t.Cleanup(func() { closeIdle(t, client) })
			}
			if got, err := l.lend(t.Context(), &note{}); err != nil || got.Text != "desk" {
				t.Errorf("the desk lends: %+v, %v", got, err)
			}
			if got, err := l.ledger(t.Context(), &note{}); err != nil || got.Text != "office" {
				t.Errorf("the office reads the ledger: %+v, %v", got, err)
			}
			stream, err := l.browse(t.Context(), &note{})
			if err != nil {
				t.Fatalf("the desk browses: %v", err)
			}
			stream.Close()
			before := host.calls.Load()
			for what, h := range map[string]genai.Handler[*note, *note]{"desk may not call library.ledger": l.ledgerAsDesk, "office may not call library.lend": l.lendAsOffice} {
				_, err := h(t.Context(), &note{})
				e := genai.AsError(err)
				if genai.KindOf(err) != genai.PermissionDenied || e.Started != genai.StartedNo || e.Target != "library" || !strings.Contains(e.Message, what) {
					t.Errorf("want that %s: %+v", what, e)
				}
			}
			if n := host.calls.Load() - before; n != 0 {
				t.Errorf("%d handlers saw a call that was refused", n)
			}
		})
	}
}

// closeIdle closes what a switch without a life of its own has opened.
func closeIdle(t *testing.T, sw *transport.Switch) {
	c, err := sw.Reach("library", sw.Where("library"))
	if err != nil {
		t.Error(err)
		return
	}
	c.(*httptransport.Client).CloseIdleConnections()
}

// TestClaims: who has one name cannot have another by saying so, and who asks nobody believes nobody.
func TestClaims(t *testing.T) {
	tokens := &httptransport.Tokens{}
	tokens.Allow("desk", "the-secret-of-the-desk", time.Time{})
	tokens.Allow("office", "the-secret-of-the-office", time.Time{})
	tokens.Allow("stranger", "a-secret-that-was-given-away", time.Time{})
	for name, c := range map[string]struct {
		identity      httptransport.Identity
		bearer, claim string
		want          int
		caller        string
	}{
		"as itself":                {tokens, "the-secret-of-the-office", "office", 200, "office"},
		"without a word":           {tokens, "the-secret-of-the-office", "", 200, "office"},
		"as somebody else":         {tokens, "the-secret-of-the-desk", "office", 403, "desk"},
		"somebody who has no edge": {tokens, "a-secret-that-was-given-away", "office", 403, "stranger"},
		"nobody asks":              {nil, "", "office", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			sw := &transport.Switch{Placement: transport.Placement{Listen: "127.0.0.1:0"}, Remotes: []transport.Remote{&httptransport.Remote{Identity: c.identity}}}
			sw.Local = &inproc.Network{}
			newLibrary(sw)
			conn, err := net.Dial("tcp", strings.TrimPrefix(process(t, sw), "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute)) // a bound for the test, not a measure
			fmt.Fprintf(conn, "POST /library/ledger HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nAuthorization: Bearer %s\r\nDovetail-Caller: %s\r\n\r\n", c.bearer, c.claim)
			if c.want == 200 { // who is refused is so before the body is there
				fmt.Fprint(conn, "{}")
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text := textOf(t, resp.Body)
			if resp.StatusCode != c.want || c.want == 403 && !strings.Contains(text, c.caller+" may not call library.ledger") || c.want == 200 && !strings.Contains(text, `"text":"`+c.caller+`"`) {
				t.Errorf("got %d %s", resp.StatusCode, text)
			}
		})
	}
}

// TestSharedTokens: a token may stand for several callers, each as long as it was allowed.
func TestSharedTokens(t *testing.T) {
	tokens := &httptransport.Tokens{}
	tokens.Allow("desk", "secret", time.Now().Add(-time.Second))
	tokens.Allow("office", "secret", time.Time{})
	identify := func(claim string) string {
		r := &http.Request{Header: http.Header{"Authorization": {"Bearer secret"}, "Dovetail-Caller": {claim}}}
		name, err := tokens.Identify(r)
		if err != nil {
			return string(genai.KindOf(err))
		}
		return name
	}
	if got := identify("desk"); got != "office" {
		t.Errorf("an edge that has expired: %s", got)
	}
	tokens.Allow("desk", "secret", time.Time{}) // once more, for longer
	if got := identify("desk") + identify("office") + identify("else"); got != "deskofficedesk" {
		t.Errorf("got %s", got)
	}
	tokens.Revoke("secret")
	if got := identify("desk"); got != "unauthenticated" {
		t.Errorf("after it was revoked: %s", got)
	}
}

func textOf(t testing.TB, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}
