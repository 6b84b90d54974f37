package wiretest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
)

// FuzzRequests: whatever is sent to whichever path, the server answers, and says in JSON what is wrong.
func FuzzRequests(f *testing.F) {
	paths := []string{"/v1/chat/completions", "/v1/embeddings", "/v1/messages", "/api/chat", "/api/embed",
		"/models/m:generateContent", "/models/m:streamGenerateContent?alt=sse", "/models/m:streamGenerateContent", "/models/m:embedContent", "/models/m:batchEmbedContents", "/v1/responses"}
	for i, body := range []string{`{"messages":[{"role":"user","content":"hi"}],"stream":true}`, `{"input":["a"]}`, anthropicAsk + "}", ollamaAsk + "}", `{"input":"a"}`,
		geminiAsk, geminiAsk, geminiAsk, `{"content":{"parts":[{"text":"a"}]}}`, `{"requests":[]}`, `{"input":[{"role":"user","content":"hi"}],"stream":true}`} {
		f.Add(i, body)
	}
	f.Add(0, `{"messages":[{"role":"tool","content":[{"type":"image_url","image_url":"data:,"}]}],"tool_choice":{},"stop":3}`)
	f.Add(2, `{"max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"image","source":{}}]}]}]}`)
	f.Fuzz(func(t *testing.T, path int, body string) {
		model := genaitest.Script(genaitest.Reply("a"))
		s := &wiretest.Server{Chat: model.Chat, Embed: genaitest.Embed}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, paths[uint(path)%uint(len(paths))], strings.NewReader(body)))
		if w.Code != 200 && w.Code != 400 || w.Body.Len() == 0 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
