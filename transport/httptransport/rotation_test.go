package httptransport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/certtest"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// TestRotationOfTokens: tokens change under load, and no call that holds a valid one is refused; a stream outlives the token that it
// began with.
func TestRotationOfTokens(t *testing.T) {
	noLeak(t)
	var calls atomic.Int32
	tokens := &httptransport.Tokens{}
	tokens.Allow("desk", "token-0", time.Time{})
	s := &httptransport.Server{Identity: tokens}
	whoami.Serve(s, names(&calls))
	next := make(chan struct{})
	count.Serve(s, func(ctx context.Context, _ *note) (notes, error) {
		n := 0
		return genai.NewStream(ctx, func() (note, error) {
			if n++; n == 1 {
				return note{}, nil
			}
			<-next
			return note{}, io.EOF
		}, nil)
	})
	var current atomic.Value
	current.Store("token-0")
	client := dial(t, serve(t, "http", s))
	client.Token = func() string { return current.Load().(string) }
	stream, err := count.Dial(client)(t.Context(), &note{})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	ask := whoami.Dial(client)
	var running sync.WaitGroup
	stop := make(chan struct{})
	var done [4]atomic.Int32
	for i := range done {
		running.Go(func() { // ends with stop
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got, err := ask(t.Context(), &note{}); err != nil || got.Text != "desk" {
					t.Errorf("%+v, %v", got, err)
				}
				done[i].Add(1)
			}
		})
	}
	for i := range 20 {
		old, fresh := fmt.Sprintf("token-%d", i), fmt.Sprintf("token-%d", i+1)
		tokens.Allow("desk", fresh, time.Time{})
		current.Store(fresh)
		for i := range done { // a call that was on its way, and one that was not: nobody sends the old token any more
			for before := done[i].Load(); done[i].Load() < before+2; {
				if _, err := ask(t.Context(), &note{}); err != nil {
					t.Error(err)
				}
			}
		}
		tokens.Revoke(old)
	}
	close(stop)
	running.Wait()
	close(next)
	if _, err := genai.Collect(count.Dial(client), lastOf)(t.Context(), &note{}); err != nil {
		t.Error(err)
	}
	for _, err := range stream.All() {
		if err != nil {
			t.Errorf("the stream that began with the first token: %v", err)
		}
	}
	current.Store("token-0") // somebody has kept it
	if _, err := ask(t.Context(), &note{}); genai.KindOf(err) != genai.Unauthenticated {
		t.Errorf("a token that was revoked: %v", err)
	}
}

func lastOf(pieces iter.Seq2[note, error]) (last note, err error) {
	for last, err = range pieces {
	}
	return last, err
}

// TestRotationOfCertificates: both sides get new certificates of a new authority while they run. Who has none of the new ones is not
// let in any more, and a stream that is running goes on.
func TestRotationOfCertificates(t *testing.T) {
	noLeak(t)
	var calls atomic.Int32
	before, certBefore := authority(t)
	after, certAfter := authority(t)
	soon := time.Now().Add(time.Hour)
	type keys struct {
		server, client tls.Certificate
		authority      *certtest.Authority
	}
	old, fresh := keys{certBefore(soon, "127.0.0.1"), certBefore(soon, "desk"), before}, keys{certAfter(soon, "127.0.0.1"), certAfter(soon, "desk"), after}
	var current atomic.Pointer[keys]
	current.Store(&old)
	s := &httptransport.Server{
		Identity: &httptransport.Certificates{Names: []string{"desk"}},
		TLS: &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			k := current.Load()
			return &tls.Config{Certificates: []tls.Certificate{k.server}, ClientCAs: k.authority.Pool, ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"h2", "http/1.1"}}, nil
		}},
	}
	whoami.Serve(s, names(&calls))
	next := make(chan struct{})
	count.Serve(s, func(ctx context.Context, _ *note) (notes, error) {
		n := 0
		return genai.NewStream(ctx, func() (note, error) {
			if n++; n == 1 {
				return note{}, nil
			}
			<-next
			return note{}, io.EOF
		}, nil)
	})
	address := "https" + strings.TrimPrefix(serve(t, "http", s), "http")
	client := func(k keys) *httptransport.Client {
		c := &httptransport.Client{Address: address, TLS: &tls.Config{RootCAs: k.authority.Pool, Certificates: []tls.Certificate{k.client}}}
		t.Cleanup(c.CloseIdleConnections)
		return c
	}
	first := client(old)
	if got, err := whoami.Dial(first)(t.Context(), &note{}); err != nil || got.Text != "desk" {
		t.Fatalf("%+v, %v", got, err)
	}
	stream, err := count.Dial(first)(t.Context(), &note{})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	current.Store(&fresh)
	if got, err := whoami.Dial(client(fresh))(t.Context(), &note{}); err != nil || got.Text != "desk" {
		t.Errorf("with a new certificate: %+v, %v", got, err)
	}
	was := calls.Load()
	late := client(keys{client: old.client, authority: after})
	if _, err := whoami.Dial(late)(t.Context(), &note{}); !errors.Is(err, genai.Unauthenticated) && !errors.Is(err, genai.Unavailable) {
		t.Errorf("with an old certificate: %v", err)
	}
	if _, err := whoami.Dial(client(old))(t.Context(), &note{}); !errors.Is(err, genai.Unavailable) {
		t.Errorf("who trusts the old authority: %v", err)
	}
	if calls.Load() != was {
		t.Error("a handler was called")
	}
	close(next)
	for _, err := range stream.All() {
		if err != nil {
			t.Errorf("the stream that was running: %v", err)
		}
	}
}

// TestServerIsSomebodyElse: a client sends nothing, not even its token, to a server whose certificate is not for that name, has
// expired, or comes from somebody whom nobody knows.
func TestServerIsSomebodyElse(t *testing.T) {
	ours, cert := authority(t)
	_, foreign := authority(t)
	soon := time.Now().Add(time.Hour)
	for name, shows := range map[string]tls.Certificate{
		"another name":      cert(soon, "desk.internal"),
		"another address":   cert(soon, "127.0.0.2"),
		"no name":           cert(soon),
		"expired":           cert(time.Now().Add(-time.Minute), "127.0.0.1"),
		"another authority": foreign(soon, "127.0.0.1"),
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			var calls atomic.Int32
			who := &curious{}
			s := &httptransport.Server{Identity: who, TLS: &tls.Config{Certificates: []tls.Certificate{shows}}}
			whoami.Serve(s, names(&calls))
			address := "https" + strings.TrimPrefix(serve(t, "http", s), "http")
			client := &httptransport.Client{Address: address, TLS: &tls.Config{RootCAs: ours.Pool}, Token: func() string { return "secret" }}
			t.Cleanup(client.CloseIdleConnections)
			_, err := whoami.Dial(client)(t.Context(), &note{})
			if e := genai.AsError(err); genai.KindOf(err) != genai.Unavailable || e.Started != genai.StartedNo {
				t.Errorf("got %v", err)
			}
			if calls.Load() != 0 || who.major.Load() != 0 {
				t.Error("the server has seen the request")
			}
		})
	}
}
