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

// Any server with this interface will do; here it is one that always says the same.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"choices":[{"delta":{"content":"At "}}]}`+"\n\n"+
			`data: {"choices":[{"delta":{"content":"noon."},"finish_reason":"stop"}]}`+"\n\n"+"data: [DONE]\n\n")
	}))
	defer server.Close()

	client := &openai.Client{BaseURL: server.URL + "/v1", Model: "llama3.2"}
	stream, err := client.Chat(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("When?")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for event, err := range stream.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(event.Text)
	}
	fmt.Println()
	// Output: At noon.
}
