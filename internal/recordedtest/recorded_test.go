package recordedtest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func Example() {
	replay := &Replay{Body: "data: hello\n\n", Bytes: true}
	resp, err := replay.Client().Post("http://there/chat", "application/json", strings.NewReader("{}"))
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := io.ReadAll(resp.Body)
	fmt.Printf("%q %v, asked with %s\n", body, err, replay.Request)
	// Output: "data: hello\n\n" <nil>, asked with {}
}

func TestLoad(t *testing.T) {
	all := Load(t, "ollama", "ollama.chat")
	if len(all) < 30 || all[0].Status != http.StatusOK || all[0].Body == "" {
		t.Errorf("%d exchanges", len(all))
	}
}
