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

// The server here always paints the same, which is hardly anything.
func ExampleClient_Paint() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}]},"finishReason":"STOP"}]}`)
	}))
	defer server.Close()

	client := &gemini.Client{BaseURL: server.URL + "/v1beta", Model: "gemini-2.5-flash-image"}
	images, err := client.Paint(context.Background(), &genai.ImageRequest{Prompt: "A banana in a tuxedo", Size: "16:9"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(images.Images[0].Blob)
	// Output: image/png of 8 bytes
}
