package wiretest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// said sums up an answer: text, thoughts, calls, the reason for the end, and usage.
func said(resp *genai.ChatResponse) string {
	if resp == nil {
		return ""
	}
	var b strings.Builder
	for _, p := range resp.Message.Parts {
		switch {
		case p.Reasoning != nil && p.Reasoning.Text != "":
			fmt.Fprintf(&b, "(%s)", p.Reasoning.Text)
		case p.ToolCall != nil:
			fmt.Fprintf(&b, "%s%s", p.ToolCall.Name, p.ToolCall.Arguments)
		default:
			b.WriteString(p.Text + p.Refusal)
		}
	}
	if b.Len() > 100 {
		return fmt.Sprintf("%d bytes", b.Len())
	}
	if resp.Finish.Reason != "" {
		fmt.Fprintf(&b, " %s", resp.Finish.Reason)
	}
	if u := resp.Usage; u != nil {
		fmt.Fprintf(&b, " %d/%d", u.Input, u.Output)
	}
	return b.String()
}

// lines puts documents into an event stream.
func lines(docs ...string) string { return "data: " + strings.Join(docs, "\n\ndata: ") + "\n\n" }

// TestVectors: everything that servers, proxies and networks were seen to do to a stream can be faked by a Fault, and our
// clients make the right thing of it.
func TestVectors(t *testing.T) {
	const (
		open  = `{"choices":[{"index":0,"delta":{"role":"assistant","content":"a"}}]}`
		more  = `{"choices":[{"index":0,"delta":{"content":"b"}}]}`
		stop  = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
		calls = `{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`
		usage = `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`
		fails = `{"error":{"message":"busy","type":"overloaded_error","code":null}}`
		done  = "[DONE]"
	)
	delta := func(fields string) string { return `{"choices":[{"index":0,"delta":{` + fields + `}}]}` }
	call := func(fields string) string { return delta(`"tool_calls":[{` + fields + `}]`) }
	whole := lines(open, more, stop, usage, done)
	claude := func(events ...string) string {
		all := append([]string{`{"type":"message_start","message":{"id":"r","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":3,"output_tokens":1}}}`}, events...)
		return lines(all...)
	}
	text := []string{`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}`,
		`{"type":"content_block_stop","index":0}`}
	end := func(reason string) []string {
		return []string{`{"type":"message_delta","delta":{"stop_reason":"` + reason + `"},"usage":{"output_tokens":2}}`, `{"type":"message_stop"}`}
	}
	plus := func(a []string, b ...string) []string { return append(append([]string{}, a...), b...) }

	openAI := func(h *http.Client) genai.Chat { return (&openai.Client{Key: "k", Model: "m", HTTP: h}).Chat }
	anthropicAI := func(h *http.Client) genai.Chat { return (&anthropic.Client{Key: "k", Model: "m", HTTP: h}).Chat }
	geminiAI := func(h *http.Client) genai.Chat { return (&gemini.Client{Key: "k", Model: "m", HTTP: h}).Chat }
	ollamaAI := func(h *http.Client) genai.Chat { return (&ollama.Client{Model: "m", HTTP: h}).Chat }

	for name, c := range map[string]struct {
		chat  func(*http.Client) genai.Chat
		body  string
		fault wiretest.Fault // besides the body
		want  string
		kind  genai.Kind
	}{
		// What an event stream may look like.
		"byte order mark":          {openAI, "\ufeff" + whole, wiretest.Fault{}, "ab stop 3/2", ""},
		"CR alone":                 {openAI, strings.ReplaceAll(whole, "\n", "\r"), wiretest.Fault{}, "ab stop 3/2", ""},
		"CRLF, byte by byte":       {openAI, strings.ReplaceAll(whole, "\n", "\r\n"), wiretest.Fault{Slice: 1}, "ab stop 3/2", ""},
		"a storm of comments":      {openAI, strings.Repeat(": OPENROUTER PROCESSING\n\n", 5000) + whole, wiretest.Fault{}, "ab stop 3/2", ""},
		"data without a colon":     {openAI, "data\n\n" + whole, wiretest.Fault{}, "ab stop 3/2", ""},
		"data in several lines":    {openAI, strings.Replace(whole, `,"delta"`, ",\ndata: \"delta\"", 1), wiretest.Fault{}, "ab stop 3/2", ""},
		"an event of 5 MiB":        {openAI, lines(delta(`"content":"`+strings.Repeat("x", 5<<20)+`"`), stop, done), wiretest.Fault{}, "5242880 bytes", ""},
		"NUL in an id":             {openAI, "id: a\x00b\n" + whole, wiretest.Fault{}, "ab stop 3/2", ""},
		"no empty line at the end": {openAI, strings.TrimRight(whole, "\n"), wiretest.Fault{}, "ab stop 3/2", ""},

		// What stands in chunks.
		"no choices at first":        {openAI, lines(`{"choices":[],"prompt_filter_results":[]}`) + whole, wiretest.Fault{}, "ab stop 3/2", ""},
		"usage on every chunk":       {openAI, lines(strings.Replace(open, "}]}", `}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`, 1)) + lines(more, stop, usage, done), wiretest.Fault{}, "ab stop 3/2", ""},
		"padding":                    {openAI, lines(strings.Replace(open, "}]}", `}],"obfuscation":"xxxx"}`, 1), more, stop, usage, done), wiretest.Fault{}, "ab stop 3/2", ""},
		"calls without an index":     {openAI, lines(call(`"id":"1","function":{"name":"f","arguments":"{}"}`), call(`"id":"2","function":{"name":"g","arguments":""}`), calls, done), wiretest.Fault{}, "f{}g{} tool_calls", ""},
		"every call with index 0":    {openAI, lines(call(`"index":0,"id":"1","function":{"name":"f","arguments":"{\"a\":1}"}`), call(`"index":0,"id":"2","function":{"name":"g","arguments":"{\"b\":2}"}`), calls, done), wiretest.Fault{}, `f{"a":1}g{"b":2} tool_calls`, ""},
		"reasoning_content":          {openAI, lines(delta(`"reasoning_content":"hm"`), open, stop, done), wiretest.Fault{}, "(hm)a stop", ""},
		"reasoning":                  {openAI, lines(delta(`"reasoning":"hm"`), open, stop, done), wiretest.Fault{}, "(hm)a stop", ""},
		"reasoning_details":          {openAI, lines(delta(`"reasoning_details":[{"type":"reasoning.text","text":"hm"}]`), open, stop, done), wiretest.Fault{}, "(hm)a stop", ""},
		"refusal":                    {openAI, lines(delta(`"refusal":"I "`), delta(`"refusal":"will not"`), stop, done), wiretest.Fault{}, "I will not stop", ""},
		"an unknown reason":          {openAI, lines(open, strings.Replace(stop, "stop", "solar_flare", 1), done), wiretest.Fault{}, "a other", ""},
		"stop, although it calls":    {openAI, lines(call(`"index":0,"id":"1","function":{"name":"f","arguments":"{}"}`), stop, done), wiretest.Fault{}, "f{} tool_calls", ""},
		"the role again and again":   {openAI, lines(open, delta(`"role":"assistant","content":"b"`), stop, done), wiretest.Fault{}, "ab stop", ""},
		"three answers, interleaved": {openAI, lines(open, strings.Replace(open, `"index":0`, `"index":1`, 1), strings.Replace(more, `"index":0`, `"index":2`, 1), more, stop, done), wiretest.Fault{}, "ab stop", ""},

		// How it ends.
		"done, and the line stays open":  {openAI, whole, wiretest.Fault{Then: wiretest.Stall, Bytes: len(whole)}, "ab stop 3/2", ""},
		"a reason, and no word of done":  {openAI, lines(open, stop), wiretest.Fault{}, "a stop", ""},
		"no reason, and no word of done": {openAI, lines(open), wiretest.Fault{}, "a", genai.Truncated},
		"cut inside of a chunk":          {openAI, whole, wiretest.Fault{Then: wiretest.Cut, Bytes: len(lines(open)) + 20}, "a", genai.Truncated},
		"an error, and then done":        {openAI, lines(open, fails, done), wiretest.Fault{}, "a", genai.Overloaded},
		"silence":                        {openAI, whole, wiretest.Fault{Then: wiretest.Stall, Bytes: len(lines(open))}, "a", genai.DeadlineExceeded},
		"slow to begin":                  {openAI, whole, wiretest.Fault{Late: time.Second}, "ab stop 3/2", ""},
		"too slow to begin":              {openAI, whole, wiretest.Fault{Late: time.Hour}, "", genai.DeadlineExceeded},
		"an error instead of a stream":   {openAI, fails, wiretest.Fault{Header: http.Header{"Content-Type": {"application/json"}}}, "", genai.Overloaded},
		"a page of a proxy":              {openAI, "<html>Bad Gateway", wiretest.Fault{Status: 502, Header: http.Header{"Content-Type": {"text/html"}}}, "", genai.ServerError},
		"nothing":                        {openAI, " ", wiretest.Fault{Status: 204}, "", genai.Truncated},

		// How others do it.
		"Anthropic: ping":              {anthropicAI, claude(plus(plus([]string{`{"type":"ping"}`}, text...), end("end_turn")...)...), wiretest.Fault{}, "a stop 3/2", ""},
		"Anthropic: overloaded midway": {anthropicAI, claude(plus(text[:2], `{"type":"error","error":{"type":"overloaded_error","message":"busy"}}`)...), wiretest.Fault{}, "a 3/1", genai.Overloaded},
		"Anthropic: unknown event":     {anthropicAI, claude(plus(plus([]string{`{"type":"weather","rain":true}`}, text...), end("end_turn")...)...), wiretest.Fault{}, "a stop 3/2", ""},
		"Anthropic: signature": {anthropicAI, claude(plus([]string{`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}`, `{"type":"content_block_stop","index":0}`,
			`{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}`, `{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a"}}`, `{"type":"content_block_stop","index":1}`}, end("end_turn")...)...), wiretest.Fault{}, "(hm)a stop 3/2", ""},
		"Anthropic: pause":            {anthropicAI, claude(plus(text, end("pause_turn")...)...), wiretest.Fault{}, "a other 3/2", ""},
		"Gemini: the prompt blocked":  {geminiAI, lines(`{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}}`), wiretest.Fault{}, "", genai.ContentFiltered},
		"Gemini: a malformed call":    {geminiAI, lines(`{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]}}]}`, `{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}`), wiretest.Fault{}, "a", genai.Malformed},
		"Gemini: an error in a list":  {geminiAI, `[{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}]`, wiretest.Fault{Status: 429, Header: http.Header{"Content-Type": {"application/json"}}}, "", genai.RateLimited},
		"Ollama: an error in a line":  {ollamaAI, `{"message":{"role":"assistant","content":"a"},"done":false}` + "\n" + `{"error":"the runner has died"}` + "\n", wiretest.Fault{}, "a", genai.ServerError},
		"Ollama: calls without names": {ollamaAI, `{"message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"g","arguments":{}}}]},"done":true,"done_reason":"stop"}` + "\n", wiretest.Fault{}, `f{"a":1}g{} tool_calls`, ""},
		"Ollama: length":              {ollamaAI, `{"message":{"role":"assistant","content":"a"},"done":true,"done_reason":"length","prompt_eval_count":3,"eval_count":2}` + "\n", wiretest.Fault{}, "a length 3/2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fault := c.fault
				fault.Body = c.body
				if fault.Header == nil {
					fault.Header = http.Header{"Content-Type": {"text/event-stream"}}
				}
				server := &wiretest.Server{Faults: []wiretest.Fault{fault}}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				req := ask("hi")
				req.MaxTokens = new(100)
				resp, err := read(c.chat(server.Client(t))(ctx, req))
				if got := said(resp); got != c.want || genai.KindOf(err) != c.kind {
					t.Errorf("%q, %v; want %q, %q", got, err, c.want, c.kind)
				}
			})
		})
	}
}

// TestCompressed: a proxy may compress what it passes on.
func TestCompressed(t *testing.T) {
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	_, _ = z.Write([]byte(lines(`{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}`, "[DONE]")))
	_ = z.Close()
	header := http.Header{"Content-Type": {"text/event-stream"}, "Content-Encoding": {"gzip"}}
	server := &wiretest.Server{Faults: []wiretest.Fault{{Body: body.String(), Header: header}}}
	if resp, err := read(openAI(t, server).Chat(t.Context(), ask("hi"))); err != nil || resp.Text() != "a" {
		t.Errorf("%v, %v", resp, err)
	}
}

// TestAnyPath: what the server has no model for, a fault answers; and without one it is not there.
func TestAnyPath(t *testing.T) {
	server := &wiretest.Server{Chat: genaitest.Script().Chat, Faults: []wiretest.Fault{
		{Body: `{"id":"m1","model":"omni","results":[{"flagged":true,"categories":{"violence":true},"category_scores":{"violence":0.9}}]}`},
		{Body: `{"data":[{"b64_json":"cG5n"}]}`},
		{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"3"}}},
	}}
	client := openAI(t, server)
	if verdict, err := client.Moderate(t.Context(), &genai.ModerationRequest{Text: "a"}); err != nil || !verdict.Flagged {
		t.Errorf("%+v, %v", verdict, err)
	}
	if images, err := client.Paint(t.Context(), &genai.ImageRequest{Prompt: "a"}); err != nil || string(images.Images[0].Blob.Bytes()) != "png" {
		t.Errorf("%+v, %v", images, err)
	}
	if _, err := client.Paint(t.Context(), &genai.ImageRequest{Prompt: "a"}); genai.KindOf(err) != genai.RateLimited || genai.AsError(err).RetryAfter != 3*time.Second {
		t.Error(err)
	}
	if _, err := client.Paint(t.Context(), &genai.ImageRequest{Prompt: "a"}); genai.KindOf(err) != genai.NotFound {
		t.Error(err)
	}
}
