package anthropic_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
)

// The server here always says the same, as the provider would put it.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"At "}}`+"\n\n"+
			`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"noon."}}`+"\n\n"+
			`data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}`+"\n\n"+`data: {"type":"message_stop"}`+"\n\n")
	}))
	defer server.Close()

	client := &anthropic.Client{BaseURL: server.URL + "/v1", Model: "claude-sonnet-4-6"}
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
