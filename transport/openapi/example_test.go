package openapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/openapi"
)

type question struct {
	Text string `json:"text"`
}

var ask = transport.Op[*question, *question]{Name: "desk.ask"}

// A server whose Pages are a Document describes itself.
func Example() {
	server := &httptransport.Server{Pages: &openapi.Document{Title: "The support desk"}}
	ask.Serve(server, func(_ context.Context, q *question) (*question, error) { return q, nil })
	host := httptest.NewServer(server)
	defer host.Close()

	resp, err := http.Get(host.URL + "/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	for line := range strings.Lines(string(page)) {
		if strings.Contains(line, "<h1>") {
			fmt.Print(line)
		}
	}
	fmt.Println(err)
	// Output:
	// <h1>The support desk</h1>
	// <nil>
}
