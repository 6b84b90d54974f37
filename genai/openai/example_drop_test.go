package openai_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// What a server lacks is refused, and nothing is sent; what may be left out is named by the client.
func ExampleClient_Complete() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"choices":[{"message":{"content":"At noon."},"finish_reason":"stop"}]}`)
	}))
	defer server.Close()

	client := &openai.Client{BaseURL: server.URL, Name: "mistral", Dialect: "mistral", Model: "mistral-small"}
	ask := &genai.ChatRequest{Messages: []genai.Message{genai.User("When?")}, TopK: new(5)}
	_, err := client.Complete(context.Background(), ask)
	fmt.Println(err)

	client.Drop = []string{"top_k"}
	answer, err := client.Complete(context.Background(), ask)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Text())
	// Output:
	// chat: mistral: unsupported (top_k): Mistral has no such setting
	// At noon.
}
