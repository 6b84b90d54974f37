package sdk

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const pieces = 256

// bodies are what the servers answer, whole and as a stream of 256 pieces.
var bodies = map[string][2]string{
	"openai chat": {
		`{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Your parcel is on its way.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}`,
		strings.Repeat(`data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}`+"\n\n", pieces) +
			`data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n",
	},
	"anthropic": {
		`{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Your parcel is on its way."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":7}}`,
		"event: message_start\n" + `data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}` + "\n\n" +
			"event: content_block_start\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n" +
			strings.Repeat("event: content_block_delta\n"+`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" token"}}`+"\n\n", pieces) +
			"event: content_block_stop\n" + `data: {"type":"content_block_stop","index":0}` + "\n\n" +
			"event: message_delta\n" + `data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":257}}` + "\n\n" +
			"event: message_stop\n" + `data: {"type":"message_stop"}` + "\n\n",
	},
	"gemini": {
		`{"candidates":[{"content":{"parts":[{"text":"Your parcel is on its way."}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":7,"totalTokenCount":16},"modelVersion":"m","responseId":"r1"}`,
		strings.Repeat(`data: {"candidates":[{"content":{"parts":[{"text":" token"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9},"modelVersion":"m","responseId":"r1"}`+"\n\n", pieces) +
			`data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":256,"totalTokenCount":265},"modelVersion":"m","responseId":"r1"}` + "\n\n",
	},
	"ollama": {
		`{"model":"m","created_at":"2026-11-24T00:00:00Z","message":{"role":"assistant","content":"Your parcel is on its way."},"done":true,"done_reason":"stop","total_duration":1,"prompt_eval_count":9,"eval_count":7}`,
		strings.Repeat(`{"model":"m","created_at":"2026-11-24T00:00:00Z","message":{"role":"assistant","content":" token"},"done":false}`+"\n", pieces) +
			`{"model":"m","created_at":"2026-11-24T00:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":1,"prompt_eval_count":9,"eval_count":256}` + "\n",
	},
}

// A detour sends every request to one server.
type detour struct {
	to   string
	next http.RoundTripper
}

func (d *detour) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL = &url.URL{Scheme: "http", Host: d.to, Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	return d.next.RoundTrip(r)
}

// BenchmarkClients is a whole answer, and one of 256 pieces, over loopback. Both clients talk to the same server in the same process, so
// that its work, and that of package net/http, is in all figures.
func BenchmarkClients(b *testing.B) {
	for _, v := range rivals() {
		for i, way := range []string{"whole", "stream"} {
			body := bodies[v.name][i]
			if body == "" {
				continue
			}
			media := "application/json"
			if i == 1 && v.name != "ollama" {
				media = "text/event-stream"
			}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", media)
				_, _ = w.Write([]byte(body))
			}))
			b.Cleanup(s.Close)
			via := &http.Client{Transport: &detour{strings.TrimPrefix(s.URL, "http://"), &http.Transport{DisableCompression: true}}}
			name := fmt.Sprintf("%s/%s/", strings.ReplaceAll(v.name, " ", "-"), way)
			ours, official := v.ours("openai", via), v.official("openai", via)
			if i == 1 {
				ours.whole, official.whole = ours.stream, official.stream
			}
			b.Run(name+"dovetail", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if resp, err := ours.whole(context.Background()); err != nil || resp.Text() == "" {
						b.Fatal(resp, err)
					}
				}
			})
			b.Run(name+"official", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if a, err := official.whole(context.Background()); err != nil || a.Text == "" {
						b.Fatal(a, err)
					}
				}
			})
		}
	}
}
