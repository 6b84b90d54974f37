package wiretest_test

import (
	"context"
	"fmt"
	"net/http/httptest"

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
