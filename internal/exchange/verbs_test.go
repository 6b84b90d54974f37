package exchange

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

func TestVerbs(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil && r.ContentLength != 5 { // the body that is cut below may begin to arrive, or not
			t.Error(err)
		}
		got = strings.Join([]string{r.Method, r.URL.Path, r.Header.Get("Content-Type"), string(body)}, " ")
	}))
	defer server.Close()
	begin := func() *Exchange {
		x, err := Begin("test", Server{BaseURL: server.URL + "/v1", HTTP: server.Client(), Understand: func([]byte, int, http.Header) Problem { return Problem{} }})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := begin()
	if err := x.Delete(t.Context(), "/things/a:b", http.Header{}); err != nil || got != "DELETE /v1/things/a:b  " {
		t.Errorf("%q, %v", got, err)
	}
	x.Resp.Body.Close()
	for _, length := range []int64{4, -1} {
		x = begin()
		if err := x.Upload(t.Context(), "/things", http.Header{"Content-Type": {"text/plain"}}, strings.NewReader("text"), length); err != nil {
			t.Fatal(err)
		}
		x.Resp.Body.Close()
		if got != "POST /v1/things text/plain text" {
			t.Errorf("%q", got)
		}
	}
	err := begin().Upload(t.Context(), "/things", http.Header{}, strings.NewReader("text"), 5)
	if genai.KindOf(err) != genai.Unavailable || genai.AsError(err).Started == genai.StartedNo {
		t.Error("a body that is too short: ", err)
	}
}

func TestNamed(t *testing.T) {
	for _, id := range []string{"batch_123", "ft:gpt-4o:org::x", "file-1.a~"} {
		if !Named(id) {
			t.Error(id)
		}
	}
	for _, id := range []string{"", ".", "..", "a/b", "../files", "a?b", "a#b", "a%2fb", "a b", "a\n", "é"} {
		if Named(id) {
			t.Errorf("%q", id)
		}
	}
}

// TestDraftAndKept: what a client would send, and what it makes of an answer that was kept.
func TestDraftAndKept(t *testing.T) {
	d := &Draft{}
	s := Server{BaseURL: "http://nowhere.test", HTTP: &http.Client{Transport: d}}
	x, err := Begin("test", s)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Post(context.Background(), "/a", http.Header{}, []byte(`{"a":1}`)); !errors.Is(err, errDraft) || string(d.Body) != `{"a":1}` {
		t.Errorf("%q, %v", d.Body, err)
	}
	s.HTTP = &http.Client{Transport: &Kept{Status: 429, Header: http.Header{"X-Id": {"r1"}}, Body: []byte("text 'of somebody whom we do not know' here")}}
	s.IDs = []string{"X-Id"}
	s.Understand = func(body []byte, status int, _ http.Header) Problem {
		return Problem{Kind: KindOfStatus(status), Message: string(body)}
	}
	if x, err = Begin("test", s); err != nil {
		t.Fatal(err)
	}
	e := genai.AsError(x.Post(context.Background(), "/a", http.Header{}, []byte(`{}`)))
	if e.Kind != genai.RateLimited || e.RequestID != "r1" || e.Message != "text '[removed]' here" || e.Raw != "" {
		t.Errorf("%+v", e)
	}
}
