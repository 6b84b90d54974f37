package httptransport_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

type greeting struct {
	Text string `json:"text"`
}

var greet = transport.Op[*question, *greeting]{Name: "school.greet"}

// Callers say who they are, and handlers know it.
func ExampleTokens() {
	tokens := &httptransport.Tokens{}
	tokens.Allow("desk", "a-secret-of-at-least-16-random-bytes", time.Time{})
	server := &httptransport.Server{Identity: tokens}
	greet.Serve(server, func(ctx context.Context, _ *question) (*greeting, error) {
		return &greeting{"hello " + transport.Metadata(ctx, transport.Caller)}, nil
	})
	host := httptest.NewServer(http.Handler(server)) // beyond this machine it takes TLS as well
	defer host.Close()

	known := &httptransport.Client{Address: host.URL, Token: func() string { return "a-secret-of-at-least-16-random-bytes" }}
	defer known.CloseIdleConnections()
	g, err := greet.Dial(known)(context.Background(), &question{})
	fmt.Println(g.Text, err)

	unknown := &httptransport.Client{Address: host.URL}
	defer unknown.CloseIdleConnections()
	_, err = greet.Dial(unknown)(context.Background(), &question{})
	fmt.Println(err)
	// Output:
	// hello desk <nil>
	// school.greet: school: unauthenticated: the caller sends no token
}
