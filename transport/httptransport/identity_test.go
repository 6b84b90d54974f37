package httptransport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/certtest"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

var whoami = transport.Op[*note, *note]{Name: "test.whoami"}

// names answers with who calls, and counts.
func names(calls *atomic.Int32) genai.Handler[*note, *note] {
	return func(ctx context.Context, _ *note) (*note, error) {
		calls.Add(1)
		return &note{Text: transport.Metadata(ctx, transport.Caller)}, nil
	}
}

// authority makes certificates, or fails the test.
func authority(t testing.TB) (a *certtest.Authority, cert func(until time.Time, names ...string) tls.Certificate) {
	t.Helper()
	a, err := certtest.New()
	if err != nil {
		t.Fatal(err)
	}
	return a, func(until time.Time, names ...string) tls.Certificate {
		t.Helper()
		c, err := a.Certificate(until, names...)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func TestCertificates(t *testing.T) {
	ours, cert := authority(t)
	_, theirs := authority(t)
	soon := time.Now().Add(time.Hour)
	mutual := &tls.Config{Certificates: []tls.Certificate{cert(soon, "127.0.0.1")}, ClientCAs: ours.Pool, ClientAuth: tls.RequireAndVerifyClientCert}
	optional := mutual.Clone()
	optional.ClientAuth = tls.VerifyClientCertIfGiven
	for name, c := range map[string]struct {
		server *tls.Config
		may    []string
		shows  []tls.Certificate
		trusts *certtest.Authority // nil: ours
		want   string
		kind   genai.Kind
	}{
		"a host":                 {server: mutual, shows: []tls.Certificate{cert(soon, "desk.internal")}, want: "desk.internal"},
		"a URI before a host":    {server: mutual, shows: []tls.Certificate{cert(soon, "desk.internal", "spiffe://prod/desk")}, want: "spiffe://prod/desk"},
		"the one that may":       {server: mutual, may: []string{"b.internal"}, shows: []tls.Certificate{cert(soon, "a.internal", "b.internal")}, want: "b.internal"},
		"one that may not":       {server: mutual, may: []string{"b.internal"}, shows: []tls.Certificate{cert(soon, "a.internal")}, kind: genai.PermissionDenied},
		"a part of a name":       {server: mutual, may: []string{"b.internal"}, shows: []tls.Certificate{cert(soon, "b.internal.evil", "xb.internal")}, kind: genai.PermissionDenied},
		"no name":                {server: mutual, shows: []tls.Certificate{cert(soon)}, kind: genai.PermissionDenied},
		"expired":                {server: mutual, shows: []tls.Certificate{cert(time.Now().Add(-time.Minute), "a.internal")}, kind: genai.Unauthenticated},
		"of another authority":   {server: mutual, shows: []tls.Certificate{theirs(soon, "a.internal")}, kind: genai.Unauthenticated},
		"none":                   {server: mutual, kind: genai.Unauthenticated},
		"none, though it may":    {server: optional, kind: genai.Unauthenticated},
		"the server is somebody": {server: mutual, shows: []tls.Certificate{cert(soon, "a.internal")}, trusts: &certtest.Authority{}, kind: genai.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			var calls atomic.Int32
			s := &httptransport.Server{TLS: c.server, Identity: &httptransport.Certificates{Names: c.may}}
			whoami.Serve(s, names(&calls))
			address := "https" + strings.TrimPrefix(serve(t, "http", s), "http")
			pool := ours.Pool
			if c.trusts != nil {
				other, _ := authority(t)
				pool = other.Pool
			}
			client := &httptransport.Client{Address: address, TLS: &tls.Config{RootCAs: pool, Certificates: c.shows}}
			t.Cleanup(client.CloseIdleConnections)
			got, err := whoami.Dial(client)(t.Context(), &note{})
			// In TLS 1.3 a client learns after its handshake that its certificate was refused, if the connection lasts so long.
			vague := c.kind == genai.Unauthenticated && errors.Is(err, genai.Unavailable)
			if genai.KindOf(err) != c.kind && !vague || err == nil && got.Text != c.want {
				t.Errorf("got %+v, %v", got, err)
			}
			if err != nil && (genai.AsError(err).Started != genai.StartedNo && !vague || calls.Load() != 0) {
				t.Errorf("%d calls, and the error says that work has started: %q", calls.Load(), genai.AsError(err).Started)
			}
		})
	}
}

// TestCertificateExpiresLater: a connection outlives the certificate that it was made with, and is of no use then.
func TestCertificateExpiresLater(t *testing.T) {
	_, cert := authority(t)
	short := cert(time.Now().Add(time.Hour), "a.internal")
	leaf, err := x509.ParseCertificate(short.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/", nil)
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf}}}
	if name, err := (&httptransport.Certificates{}).Identify(r); name != "a.internal" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	leaf.NotAfter = time.Now().Add(-time.Second)
	if _, err := (&httptransport.Certificates{}).Identify(r); genai.KindOf(err) != genai.Unauthenticated {
		t.Errorf("got %v", err)
	}
}

func TestTokens(t *testing.T) {
	noLeak(t)
	var calls atomic.Int32
	tokens := &httptransport.Tokens{}
	tokens.Allow("desk", "a-long-secret", time.Time{})
	tokens.Allow("front", "another-secret", time.Time{})
	tokens.Allow("late", "a-stale-secret", time.Now().Add(-time.Second))
	tokens.Allow("gone", "a-lost-secret", time.Time{})
	tokens.Revoke("a-lost-secret")
	s := &httptransport.Server{Identity: tokens, Pages: http.NotFoundHandler()}
	whoami.Serve(s, names(&calls))
	address := serve(t, "http", s)
	for name, c := range map[string]struct {
		header string
		want   string
	}{
		"right":       {"Bearer a-long-secret", "desk"},
		"right too":   {"bearer another-secret", "front"},
		"none":        {"", ""},
		"empty":       {"Bearer ", ""},
		"truncated":   {"Bearer a-long-secre", ""},
		"longer":      {"Bearer a-long-secretx", ""},
		"expired":     {"Bearer a-stale-secret", ""},
		"revoked":     {"Bearer a-lost-secret", ""},
		"basic":       {"Basic a-long-secret", ""},
		"only itself": {"a-long-secret", ""},
		"two":         {"Bearer a-long-secret, another-secret", ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := calls.Load()
			// The body is never sent to its end, and must not be waited for.
			conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute)) // a bound for the test, not a measure
			fmt.Fprintf(conn, "POST /test/whoami HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nAuthorization: %s\r\n\r\n", c.header)
			if c.want != "" {
				fmt.Fprint(conn, "{}")
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			status, body := resp.StatusCode, string(text)
			switch {
			case c.want != "":
				if status != 200 || !strings.Contains(body, `"`+c.want+`"`) || calls.Load() != before+1 {
					t.Errorf("got %d %s", status, body)
				}
			case status != 401 || calls.Load() != before || !strings.Contains(body, "unauthenticated") || strings.Contains(body, "secret"):
				t.Errorf("got %d %s after %d calls", status, body, calls.Load()-before)
			}
		})
	}
	if resp, err := http.Get(address + "/page"); err != nil || resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("a page: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	if status := get(t, address, "/livez"); status != 200 {
		t.Errorf("/livez answers %d", status)
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestRotation: tokens change while calls run, on both sides.
func TestRotation(t *testing.T) {
	noLeak(t)
	var calls atomic.Int32
	tokens := &httptransport.Tokens{}
	tokens.Allow("desk", "old", time.Time{})
	s := &httptransport.Server{Identity: tokens}
	whoami.Serve(s, names(&calls))
	var current atomic.Value
	current.Store("old")
	client := dial(t, serve(t, "http", s))
	client.Token = func() string { return current.Load().(string) }
	call := func(want genai.Kind) {
		t.Helper()
		if _, err := whoami.Dial(client)(t.Context(), &note{}); genai.KindOf(err) != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	call("")
	tokens.Allow("desk", "new", time.Time{})
	call("")
	current.Store("new")
	call("")
	tokens.Revoke("old")
	call("")
	current.Store("old")
	call(genai.Unauthenticated)
}

func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := &httptransport.Tokens{}
		tokens.Allow("desk", "secret", time.Now().Add(time.Minute))
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Authorization", "Bearer secret")
		if name, err := tokens.Identify(r); name != "desk" || err != nil {
			t.Errorf("%q, %v", name, err)
		}
		time.Sleep(time.Minute)
		if _, err := tokens.Identify(r); genai.KindOf(err) != genai.Unauthenticated {
			t.Errorf("got %v", err)
		}
	})
}

// TestTokenIsNotSentInClear: who would send a token where others can read it sends nothing.
func TestTokenIsNotSentInClear(t *testing.T) {
	for address, may := range map[string]bool{
		"http://127.0.0.1:1": true, "h2c://localhost:1": true, "http://[::1]:1": true, "unix:/no/such.sock": true, "https://10.0.0.1:1": true,
		"http://10.0.0.1:1": false, "h2c://desk.internal": false, "http://127.0.0.1.evil.example": false, "http://localhost.evil.example:1": false,
	} {
		client := &httptransport.Client{Address: address, Token: func() string { return "secret" }, Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, net.ErrClosed
		})}
		_, err := whoami.Dial(client)(t.Context(), &note{})
		if got := genai.KindOf(err) != genai.Precondition; got != may {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestOpenListenerAsksForIdentity: what other machines can reach needs TLS and somebody who asks, or a word that it does not.
// A4 of package transporttest.
func TestA4OpenListenerAsksForIdentity(t *testing.T) {
	ours, cert := authority(t)
	plain := &tls.Config{Certificates: []tls.Certificate{cert(time.Now().Add(time.Hour), "127.0.0.1")}}
	mutual := plain.Clone()
	mutual.ClientCAs, mutual.ClientAuth = ours.Pool, tls.RequireAndVerifyClientCert
	tokens, certificates := &httptransport.Tokens{}, &httptransport.Certificates{}
	for name, c := range map[string]struct {
		server *httptransport.Server
		may    bool
	}{
		"nothing":              {&httptransport.Server{}, false},
		"TLS only":             {&httptransport.Server{TLS: plain}, false},
		"certificates, no one": {&httptransport.Server{TLS: mutual}, false},
		"tokens in clear":      {&httptransport.Server{Identity: tokens}, false},
		"nobody is asked":      {&httptransport.Server{TLS: plain, Identity: certificates}, false},
		"tokens":               {&httptransport.Server{TLS: plain, Identity: tokens}, true},
		"certificates":         {&httptransport.Server{TLS: mutual, Identity: certificates}, true},
		"insecure":             {&httptransport.Server{Insecure: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			l, err := net.Listen("tcp", "0.0.0.0:0")
			if err != nil {
				t.Skip(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := c.server.Serve(ctx, l); (err == nil) != c.may || err != nil && genai.KindOf(err) != genai.Precondition {
				t.Errorf("got %v", err)
			}
		})
	}
}

// curious notes over what requests come, and lets everybody in.
type curious struct{ major atomic.Int32 }

func (c *curious) Identify(r *http.Request) (string, error) {
	c.major.Store(int32(r.ProtoMajor))
	return "anybody", nil
}

// TestTLSSpeaksBoth: between our own sides TLS carries HTTP/2; clients that know HTTP/1.1 only are served as well.
func TestTLSSpeaksBoth(t *testing.T) {
	noLeak(t)
	ours, cert := authority(t)
	who := &curious{}
	var calls atomic.Int32
	s := &httptransport.Server{TLS: &tls.Config{Certificates: []tls.Certificate{cert(time.Now().Add(time.Hour), "127.0.0.1")}}, Identity: who}
	whoami.Serve(s, names(&calls))
	address := "https" + strings.TrimPrefix(serve(t, "http", s), "http")
	client := &httptransport.Client{Address: address, TLS: &tls.Config{RootCAs: ours.Pool}}
	t.Cleanup(client.CloseIdleConnections)
	if got, err := whoami.Dial(client)(t.Context(), &note{}); err != nil || got.Text != "anybody" || who.major.Load() != 2 {
		t.Errorf("over HTTP/%d: %+v, %v", who.major.Load(), got, err)
	}
	old := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ours.Pool}, Protocols: new(http.Protocols)}
	old.Protocols.SetHTTP1(true)
	t.Cleanup(old.CloseIdleConnections)
	resp, err := (&http.Client{Transport: old}).Post(address+"/test/whoami", "application/json", strings.NewReader("{}"))
	if err != nil || resp.StatusCode != 200 || who.major.Load() != 1 {
		t.Fatalf("over HTTP/%d: %+v, %v", who.major.Load(), resp, err)
	}
	resp.Body.Close()
}
