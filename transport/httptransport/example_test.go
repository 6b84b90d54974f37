package httptransport_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

type question struct {
	Text string `json:"text"`
}

type word struct {
	Text string `json:"text"`
}

// The contract, which both sides import.
var spell = transport.Op[*question, *genai.Stream[word]]{Name: "school.spell"}

// spelling answers with one letter after another.
func spelling(ctx context.Context, q *question) (*genai.Stream[word], error) {
	return genai.Open(ctx, func(_ context.Context, yield func(word) bool) error {
		for _, letter := range q.Text {
			if !yield(word{string(letter)}) {
				break
			}
		}
		return nil
	})
}

// A server and a client, usually in two processes.
func Example() {
	server := &httptransport.Server{}
	spell.Serve(server, spelling)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }() // waited for below

	client := &httptransport.Client{Address: "http://" + l.Addr().String()}
	letters, err := spell.Dial(client)(ctx, &question{Text: "oak"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for letter, err := range letters.All() {
		fmt.Println(letter.Text, err)
	}

	cancel() // running calls would finish now
	fmt.Println(<-ended)
	// Output:
	// o <nil>
	// a <nil>
	// k <nil>
	// <nil>
}

// A server is a handler of package net/http, and needs no client of ours.
func ExampleServer() {
	server := &httptransport.Server{}
	spell.Serve(server, spelling)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	own := &http.Server{Handler: server}
	go func() { _ = own.Serve(l) }() // ends with Close
	defer own.Close()

	resp, err := http.Post("http://"+l.Addr().String()+"/school/spell", "application/json", strings.NewReader(`{"text":"ox"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Print(string(body))
	fmt.Println(err)
	// Output:
	// data: {"text":"o"}
	//
	// data: {"text":"x"}
	//
	// event: end
	// data: {}
	//
	// <nil>
}

// An address that nobody listens at.
func ExampleRemote() {
	remote := &httptransport.Remote{}
	_, err := remote.Dial("127.0.0.1:8080")
	fmt.Println(err)
	// Output:
	// unsupported (address): "127.0.0.1:8080" has no scheme; addresses look like "http://host:port", "https://host:port", "h2c://host:port" or "unix:/path/of.sock"
}

// A client of two servers, of which one is not there: no call fails.
func ExampleClient_several() {
	server := &httptransport.Server{}
	spell.Serve(server, spelling)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }() // ends with ctx
	nobody, _ := net.Listen("tcp", "127.0.0.1:0")
	_ = nobody.Close()

	client := &httptransport.Client{Address: "http://" + nobody.Addr().String() + ", http://" + l.Addr().String()}
	fmt.Println(client.Connect(ctx))
	failed := 0
	for range 100 {
		if _, err := spell.Dial(client)(ctx, &question{Text: "oak"}); err != nil {
			failed++
		}
	}
	fmt.Println(failed, "calls failed")
	client.CloseIdleConnections()
	cancel()
	fmt.Println(<-ended)
	// Output:
	// <nil>
	// 0 calls failed
	// <nil>
}
