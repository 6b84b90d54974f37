package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBadInput: each mistake gets a message that says what is wrong and where, and an exit status.
func TestBadInput(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		env  []string
		want []string
	}{
		"a flag":                   {args: []string{"-sevre", "desk"}, want: []string{"-sevre", "-serve"}},
		"a word":                   {args: []string{"hello"}, want: []string{"hello", "-ask"}},
		"a service":                {args: []string{"-serve", "moderatoin"}, want: []string{"-serve", "moderatoin", "desk, moderation, retrieval, answers"}},
		"a service elsewhere":      {args: []string{"-at", "moderatoin=http://127.0.0.1:1"}, want: []string{"-at", "moderatoin"}},
		"two places":               {args: []string{"-serve", "desk", "-at", "desk=http://127.0.0.1:1"}, want: []string{"-at", "desk"}},
		"no address":               {args: []string{"-at", "answers"}, want: []string{"-at", "service=address"}},
		"an address":               {args: []string{"-at", "answers=gopher://x", "-ask", "x"}, want: []string{"at", "gopher"}},
		"a variable":               {env: []string{"DOVETAIL_SERVE=dsek"}, want: []string{"DOVETAIL_SERVE", "dsek"}},
		"a file":                   {args: []string{"-placement", filepath.Join(dir, "none.json")}, want: []string{"-placement", "none.json"}},
		"a member of a file":       {args: []string{"-placement", write("a.json", `{"server": ["desk"]}`)}, want: []string{"a.json", "server"}},
		"a type in a file":         {args: []string{"-placement", write("b.json", `{"serve": "desk"}`)}, want: []string{"b.json", "serve"}},
		"a port that is taken":     {args: []string{"-listen", taken.Addr().String()}, want: []string{"listen", taken.Addr().String(), "in use"}},
		"a port that is none":      {args: []string{"-listen", "127.0.0.1:http-ish"}, want: []string{"listen", "http-ish"}},
		"everybody may come":       {args: []string{"-listen", "0.0.0.0:0"}, want: []string{"listen", "other machines", "-insecure", "-keys"}},
		"no keys":                  {args: []string{"-keys", filepath.Join(dir, "none")}, want: []string{"-keys", "authority.pem"}},
		"keys that are none":       {args: []string{"-keys", filepath.Dir(write("authority.pem", "hello"))}, want: []string{"-keys", "no certificate", "authority.pem"}},
		"keys without a place":     {args: []string{"-newkeys", "localhost"}, want: []string{"-newkeys", "-keys"}},
		"an empty folder":          {args: []string{"-knowledge", empty, "-ask", "x"}, want: []string{"-knowledge", "Markdown"}},
		"a folder that is none":    {args: []string{"-knowledge", filepath.Join(dir, "none"), "-ask", "x"}, want: []string{"-knowledge"}},
		"a provider, but no model": {args: []string{"-ask", "x"}, env: []string{"OPENAI_API_KEY=sk-secret"}, want: []string{"OPENAI_MODEL"}},
		"a question of 5 MB":       {args: []string{"-ask", "-"}, want: []string{"5000000 bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := ""
			if strings.Contains(name, "5 MB") {
				in = strings.Repeat("x", 5_000_000) + "\nWhat is a handler?\n"
			}
			out, errs, err := ask(t, environment(c.env...), in, c.args...)
			if err == nil {
				t.Errorf("it ended well")
			}
			text := out + errs
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if len(text) > 8000 || strings.Contains(text, "goroutine ") || strings.Contains(text, "sk-secret") {
				t.Errorf("it says too much")
			}
			if t.Failed() {
				t.Logf("it says: %.2000s", text)
			}
		})
	}
}

// TestProviderAnswersHTML: what stands where a provider should be is no provider, so the offline model answers.
func TestProviderAnswersHTML(t *testing.T) {
	for name, status := range map[string]int{"as if all were well": http.StatusOK, "as a failure": http.StatusBadGateway} {
		t.Run(name, func(t *testing.T) {
			provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				w.WriteHeader(status)
				_, _ = w.Write([]byte("<html><body>Welcome to the intranet</body></html>"))
			}))
			defer provider.Close()
			out, errs, err := ask(t, environment("OPENAI_BASE_URL="+provider.URL+"/v1", "OPENAI_MODEL=some-model"), "", "-ask", "What is a handler?")
			if err != nil {
				t.Fatalf("%v\n%s%s", err, out, errs)
			}
			if !strings.Contains(out, "offline model") || strings.Contains(out+errs, "intranet") {
				t.Errorf("it says: %s%s", out, errs)
			}
		})
	}
}

// TestLargeQuestionOverHTTP: the desk says what is wrong before it has read everything.
func TestLargeQuestionOverHTTP(t *testing.T) {
	desk := start(t, "-listen", "127.0.0.1:0")
	for _, size := range []int{5_000_000, 100_000_000} {
		resp, err := http.Post(desk.url+"/desk/ask", "application/json", strings.NewReader(`{"text":"`+strings.Repeat("x", size)+`"}`))
		if err != nil {
			t.Logf("%d bytes: %v", size, err) // the server may close while we write
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%d bytes: status %d", size, resp.StatusCode)
		}
	}
	resp, err := http.Get(desk.url + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
