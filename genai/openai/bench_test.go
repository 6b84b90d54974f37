package openai_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
)

const pieces = 256

var (
	parcel = `{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Your parcel is on its way.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}`
	tokens = strings.Repeat(data(`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}`), pieces) +
		data(`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}`, done)
)

// elsewhere says that this process is only the server of a benchmark.
const elsewhere = "DOVETAIL_BENCH_SERVER"

// TestServeElsewhere is the server of [BenchmarkCost], in a process of its own, so that its work is in no figure.
func TestServeElsewhere(t *testing.T) {
	if os.Getenv(elsewhere) == "" {
		t.Skip("it is only wanted by a benchmark")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") == "text/event-stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, tokens)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, parcel)
	})}
	served := make(chan struct{})
	go func() { // ends with the server, which is waited for below
		defer close(served)
		_ = server.Serve(l)
	}()
	fmt.Println("http://" + l.Addr().String())
	_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark is over
	_ = server.Close()
	<-served
}

// serveElsewhere starts the server and returns its URL.
func serveElsewhere(b *testing.B) string {
	cmd := exec.Command(os.Args[0], "-test.run=^TestServeElsewhere$")
	cmd.Env = append(os.Environ(), elsewhere+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// memory is a transport without a network: what is measured with it is the client alone.
type memory struct{}

func (memory) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	h, body := http.Header{"Content-Type": {"application/json"}}, parcel
	if r.Header.Get("Accept") == "text/event-stream" {
		h, body = http.Header{"Content-Type": {"text/event-stream"}}, tokens
	}
	return &http.Response{StatusCode: 200, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
}

// BenchmarkCost is what a call costs on the side of the client, beside the same by hand with net/http and encoding/json.
func BenchmarkCost(b *testing.B) {
	for _, way := range []string{"loopback", "memory"} {
		url, via := "http://memory.test", &http.Client{Transport: memory{}}
		if way == "loopback" {
			url, via = serveElsewhere(b), &http.Client{Transport: &http.Transport{}}
		}
		c := &openai.Client{BaseURL: url + "/v1", Key: "k", Model: "m", HTTP: via}
		req := &genai.ChatRequest{Messages: []genai.Message{genai.User("Where is my parcel?")}}
		run := func(name string, f func() error) {
			b.Run(way+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("whole/client", func() error {
			_, err := c.Complete(b.Context(), req)
			return err
		})
		run("whole/by hand", func() error { return byHand(b.Context(), via, url+"/v1/chat/completions", false) })
		run("stream/client", func() error {
			s, err := c.Chat(b.Context(), req)
			if err != nil {
				return err
			}
			for _, err = range s.All() {
			}
			return err
		})
		run("stream/by hand", func() error { return byHand(b.Context(), via, url+"/v1/chat/completions", true) })
	}
}

// byHand is what somebody would write who needs one answer of one server.
func byHand(ctx context.Context, via *http.Client, url string, stream bool) error {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	type choice struct{ Message, Delta message }
	body, err := json.Marshal(struct {
		Model    string    `json:"model"`
		Messages []message `json:"messages"`
		Stream   bool      `json:"stream"`
	}{"m", []message{{"user", "Where is my parcel?"}}, stream})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer k")
	if stream {
		req.Header.Set("Accept", "text/event-stream")
	}
	resp, err := via.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct{ Choices []choice }
	if !stream {
		return json.NewDecoder(resp.Body).Decode(&answer)
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		text, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok || string(text) == done {
			continue
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			return err
		}
	}
	return lines.Err()
}
