package gemini_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/gemini"
)

// The server here always says the same, as the provider would put it.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"candidates":[{"content":{"role":"model","parts":[{"text":"At "}]}}]}`+"\r\n\r\n"+
			`data: {"candidates":[{"content":{"role":"model","parts":[{"text":"noon."}]},"finishReason":"STOP"}]}`+"\r\n\r\n")
	}))
	defer server.Close()

	client := &gemini.Client{BaseURL: server.URL + "/v1beta", Model: "gemini-2.5-flash"}
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
