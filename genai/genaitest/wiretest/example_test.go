package wiretest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// The connection is lost behind the third piece. (A test has a shorter way to a URL: server.Start(t).)
func Example() {
	model := genaitest.Script(genaitest.Pieces("It ", "is ", "now ", "twelve."))
	server := httptest.NewServer(&wiretest.Server{Chat: model.Chat, Faults: []wiretest.Fault{{After: 3, Then: wiretest.Cut}}})
	defer server.Close()
	client := &openai.Client{BaseURL: server.URL, Name: "cloud"}

	stream, err := client.Chat(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("What time is it?")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := genai.FoldChat(stream.All())
	fmt.Printf("%q\n", resp.Text())
	fmt.Println(genai.KindOf(err))
	// Output:
	// "It is now "
	// truncated
}

// What was recorded once is replayed without network, key or bill.
func ExampleReplay() {
	folder, err := os.MkdirTemp("", "replay") // testdata, in earnest
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "noon.jsonl")
	provider := httptest.NewServer(&wiretest.Server{Chat: genaitest.Script(genaitest.Reply("Noon.")).Chat})
	req := &genai.ChatRequest{Messages: []genai.Message{genai.User("What time is it?")}}

	client := &openai.Client{BaseURL: provider.URL, HTTP: &http.Client{Transport: &wiretest.Record{File: file}}}
	if _, err := client.Complete(context.Background(), req); err != nil {
		fmt.Println(err)
	}
	provider.Close()

	client.HTTP.Transport = &wiretest.Replay{File: file}
	resp, err := client.Complete(context.Background(), req)
	fmt.Println(resp.Text(), err)
	// Output: Noon. <nil>
}

// A test that must not cost anything says so in its first line. (This is no test, so nothing is shown.)
func ExampleNoNetwork() {
	_ = func(t *testing.T) {
		wiretest.NoNetwork(t)
		// ... what is tested here cannot call a provider by mistake
	}
	// Output:
}
