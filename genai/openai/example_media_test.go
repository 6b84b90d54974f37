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

// answering is a server that always says the same.
func answering(contentType, body string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	}))
}

// What the model thought comes back to it with the next question.
func ExampleClient_Respond() {
	server := answering("application/json", `{"id":"r1","model":"m","status":"completed","output":[
		{"type":"reasoning","id":"rs1","summary":[],"encrypted_content":"kept"},
		{"type":"message","content":[{"type":"output_text","text":"At noon."}]}]}`)
	defer server.Close()

	client := &openai.Client{BaseURL: server.URL + "/v1", Model: "gpt-5-mini"}
	talk := []genai.Message{genai.User("When?")}
	answer, err := client.Respond(context.Background(), &genai.ChatRequest{Messages: talk})
	if err != nil {
		fmt.Println(err)
		return
	}
	talk = append(talk, answer.Message, genai.User("Where?"))
	fmt.Println(answer.Text(), len(talk), "messages")
	// Output: At noon. 3 messages
}

// Sound can be played while it arrives.
func ExampleClient_Speak() {
	server := answering("audio/mpeg", "sound")
	defer server.Close()

	client := &openai.Client{BaseURL: server.URL + "/v1", Model: "gpt-4o-mini-tts"}
	stream, err := client.Speak(context.Background(), &genai.SpeechRequest{Text: "Good morning.", Voice: "alloy"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for chunk, err := range stream.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(chunk.Audio)
	}
	// Output: audio/mpeg of 5 bytes
}

func ExampleClient_Transcribe() {
	server := answering("application/json", `{"text":"Good morning.","language":"english","duration":1.2}`)
	defer server.Close()

	client := &openai.Client{BaseURL: server.URL + "/v1", Model: "whisper-1"}
	text, err := client.Transcribe(context.Background(), &genai.TranscribeRequest{Audio: genai.NewBlob("audio/mpeg", []byte("sound"))})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(text.Text, text.Duration)
	// Output: Good morning. 1.2s
}

func ExampleClient_Paint() {
	server := answering("application/json", `{"output_format":"png","data":[{"b64_json":"aGVsbG8="}]}`)
	defer server.Close()

	client := &openai.Client{BaseURL: server.URL + "/v1", Model: "gpt-image-1"}
	made, err := client.Paint(context.Background(), &genai.ImageRequest{Prompt: "A lighthouse at dawn.", Size: "1024x1024"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(made.Images[0].Blob)
	// Output: image/png of 5 bytes
}

func ExampleClient_Moderate() {
	server := answering("application/json", `{"model":"omni-moderation","results":[{"flagged":true,"categories":{"violence":true}}]}`)
	defer server.Close()

	client := &openai.Client{BaseURL: server.URL + "/v1"}
	verdict, err := client.Moderate(context.Background(), &genai.ModerationRequest{Text: "..."})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(verdict.Flagged, verdict.Reason)
	// Output: true violence
}
