package genai_test

import (
	"fmt"

	"github.com/dovetail-go/dovetail/genai"
)

// A question with two pictures: one whose bytes are at hand, and one that the provider fetches by itself.
func ExamplePart() {
	photo := genai.NewBlob("image/png", []byte("\x89PNG\r\n"))
	chart := genai.BlobURL("image/png", "https://example.com/chart.png", "")
	req := &genai.ChatRequest{Messages: []genai.Message{{Role: genai.RoleUser, Parts: []genai.Part{
		{Text: "Does the photo show what the chart says?"}, {Image: &photo}, {Image: &chart},
	}}}}
	fmt.Println(req.Text())
	fmt.Println(photo)
	fmt.Println(chart)
	// Output:
	// Does the photo show what the chart says?
	// image/png of 6 bytes
	// image/png at a URL
}
