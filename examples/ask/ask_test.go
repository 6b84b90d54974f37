package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
)

// program is the path of the program under test, which TestMain builds: these tests run it as people do.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ask")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "ask")
	if text, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, text)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// command is the program with an environment of its own.
func command(t *testing.T, stdin io.Reader, env []string, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	return cmd, &out, &errs
}

func run(t *testing.T, stdin io.Reader, env []string, args ...string) (out, errs string, code int) {
	t.Helper()
	cmd, o, e := command(t, stdin, env, args...)
	if err := cmd.Run(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatal(err)
		}
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// wires are the providers, as the environment names a server of theirs.
var wires = map[string]func(url string) string{
	"openai:gpt-5-mini":         func(url string) string { return "OPENAI_BASE_URL=" + url + "/v1" },
	"anthropic:claude-sonnet-5": func(url string) string { return "ANTHROPIC_BASE_URL=" + url + "/v1" },
	"gemini:gemini-2.5-flash":   func(url string) string { return "GEMINI_BASE_URL=" + url + "/v1beta" },
	"ollama:llama3.2":           func(url string) string { return "OLLAMA_HOST=" + strings.TrimPrefix(url, "http://") },
}

// TestProviders: the same question to each provider, over its real wire.
func TestProviders(t *testing.T) {
	for name, env := range wires {
		t.Run(name, func(t *testing.T) {
			model := genaitest.Script(genaitest.Pieces("It is ", "twelve.").Usage(9, 3))
			server := &wiretest.Server{Chat: model.Chat}
			out, errs, code := run(t, strings.NewReader("a diff"), []string{env(server.Start(t))},
				"-model", name, "-system", "Be short.", "-max-tokens", "77", "-temperature", "0", "review", "this")
			if out != "It is twelve.\n" || code != 0 || !strings.Contains(errs, "["+name+": 9 tokens in, 3 out; ") {
				t.Errorf("%q, %q, %d", out, errs, code)
			}
			req := model.Calls()[0].Request
			user := req.Messages[len(req.Messages)-1]
			if user.Text() != "review this\n\na diff" || req.Messages[0].Text() != "Be short." {
				t.Errorf("the model was asked %+v", req.Messages)
			}
			if req.MaxTokens == nil || *req.MaxTokens != 77 || req.Temperature == nil || *req.Temperature != 0 {
				t.Errorf("the model was asked for %v tokens, temperature %v", req.MaxTokens, req.Temperature)
			}
		})
	}
}

// TestFailures: no failure looks like an answer, and each says what to do where that is known.
func TestFailures(t *testing.T) {
	schema := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(schema, []byte(`{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		step  genaitest.Step
		fault wiretest.Fault
		args  []string
		out   string
		errs  string
		code  int
	}{
		"cut":                 {step: genaitest.Pieces("It is ", "twelve."), fault: wiretest.Fault{After: 1, Then: wiretest.Cut}, out: "It is \n", errs: "the answer was cut", code: failed},
		"too long":            {step: genaitest.Reply("It is").Finish(genai.FinishLength), out: "It is\n", errs: "-max-tokens", code: failed},
		"wrong key":           {step: genaitest.Fail(genai.Unauthenticated), errs: "is the key right", code: failed},
		"wrong request":       {step: genaitest.Fail(genai.InvalidRequest), errs: "invalid_request", code: failed},
		"JSON":                {step: genaitest.Reply(`{"n": 12}`), args: []string{"-json", schema}, out: "{\"n\": 12}\n"},
		"JSON that misfits":   {step: genaitest.Reply(`{"n": "twelve"}`), args: []string{"-json", schema}, out: "{\"n\": \"twelve\"}\n", errs: "does not fit the schema", code: failed},
		"no JSON":             {step: genaitest.Reply("twelve"), args: []string{"-json", schema}, out: "twelve\n", errs: "is no JSON", code: failed},
		"repeated in silence": {step: genaitest.Reply("fine"), fault: wiretest.Fault{Status: 503}, out: "fine\n"},
	} {
		t.Run(name, func(t *testing.T) {
			server := &wiretest.Server{Chat: genaitest.Script(c.step).Chat, Faults: []wiretest.Fault{c.fault}}
			out, errs, code := run(t, nil, []string{"OPENAI_BASE_URL=" + server.Start(t) + "/v1", "OPENAI_API_KEY=sk-secret"},
				append(append([]string{"-model", "openai:gpt-5-mini"}, c.args...), "What time is it?")...)
			if out != c.out || !strings.Contains(errs, c.errs) || code != c.code {
				t.Errorf("%q, %q, %d", out, errs, code)
			}
			if strings.Contains(errs, "sk-secret") {
				t.Error("the key is shown")
			}
		})
	}
}

// TestMisuse: what the command line gets wrong is said before anybody is asked.
func TestMisuse(t *testing.T) {
	text := filepath.Join(t.TempDir(), "a.txt")
	if err := os.WriteFile(text, []byte("no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		errs string
	}{
		"no question":      {nil, "there is no question"},
		"no key":           {[]string{"-model", "openai:gpt-5-mini", "hi"}, "OPENAI_API_KEY is not set"},
		"no model":         {[]string{"-model", "anthropic", "hi"}, "say which model"},
		"no such provider": {[]string{"-model", "acme:m", "hi"}, `no provider "acme"`},
		"no such flag":     {[]string{"-colour", "hi"}, "-colour"},
		"no number":        {[]string{"-temperature", "warm", "hi"}, `"warm" is no such number`},
		"no schema":        {[]string{"-json", filepath.Join(t.TempDir(), "none"), "hi"}, "-json"},
		"a wrong schema":   {[]string{"-json", text, "hi"}, "no JSON Schema"},
		"no picture":       {[]string{"-image", text, "hi"}, "no picture"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := run(t, nil, nil, c.args...)
			if out != "" || !strings.Contains(errs, c.errs) || code != misused {
				t.Errorf("%q, %q, %d", out, errs, code)
			}
		})
	}
}

// TestNobodyThere: a server that does not run is asked again, and then it is said what to look at.
func TestNobodyThere(t *testing.T) {
	out, errs, code := run(t, nil, []string{"OLLAMA_HOST=127.0.0.1:1"}, "-model", "ollama:llama3.2", "hi")
	if out != "" || !strings.Contains(errs, "is the server running") || code != failed {
		t.Errorf("%q, %q, %d", out, errs, code)
	}
}

func TestPictures(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.png")
	png := []byte("\x89PNG\r\n\x1a\nrest")
	if err := os.WriteFile(file, png, 0o600); err != nil {
		t.Fatal(err)
	}
	model := genaitest.Script(genaitest.Reply("a cat"))
	server := &wiretest.Server{Chat: model.Chat}
	out, errs, code := run(t, nil, []string{"OPENAI_BASE_URL=" + server.Start(t) + "/v1"},
		"-model", "openai:gpt-5-mini", "-image", file, "-image", "https://example.org/b.jpg", "What is this?")
	if out != "a cat\n" || code != 0 {
		t.Fatalf("%q, %q, %d", out, errs, code)
	}
	parts := model.Calls()[0].Request.Messages[0].Parts
	if len(parts) != 3 || !bytes.Equal(parts[1].Image.Bytes(), png) || parts[2].Image.URL() != "https://example.org/b.jpg" {
		t.Errorf("the model was shown %+v", parts)
	}
}

// TestOffline: without a key and without a network there is an answer, which says what it is.
func TestOffline(t *testing.T) {
	out, errs, code := run(t, nil, nil, "What is a handler?")
	if !strings.Contains(out, "no language model") || !strings.Contains(out, "4 words") || !strings.Contains(errs, "the cost is unknown") || code != 0 {
		t.Errorf("%q, %q, %d", out, errs, code)
	}
}

// TestTerminal: on a terminal an answer is shown, and not obeyed; through a pipe it goes as it is.
func TestTerminal(t *testing.T) {
	const said, shown = "a\x1b[31mb\x1b]0;title\x07\u009b2Jc\td\r\n日本", "a[31mb]0;title2Jc\td\n日本\n"
	server := &wiretest.Server{Chat: genaitest.Script(genaitest.Pieces(said, "\x07").Times(2)).Chat}
	base := server.Start(t) + "/v1"
	for want, tty := range map[string]bool{shown: true, said + "\x07\n": false} {
		var out, errs bytes.Buffer
		here := terminal{out: &out, errs: &errs, shown: tty, getenv: func(name string) string { return map[string]string{"OPENAI_BASE_URL": base}[name] }}
		if code := here.run(t.Context(), []string{"-model", "openai:gpt-5-mini", "hi"}); code != 0 || out.String() != want {
			t.Errorf("on a terminal %v: %q, want %q; %s", tty, out.String(), want, errs.String())
		}
	}
}

// TestSpinner: it moves until it is stopped, and leaves nothing behind.
func TestSpinner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		s := spin(&screen, true)
		time.Sleep(550 * time.Millisecond)
		s.stop()
		s.stop()
		if want := "\r| \r/ \r- \r\\ \r| \r\x1b[K"; screen.String() != want {
			t.Errorf("%q, want %q", screen.String(), want)
		}
	})
	var screen bytes.Buffer
	if spin(&screen, false).stop(); screen.Len() > 0 {
		t.Errorf("nobody looks at %q", screen.String())
	}
}

// TestInterrupt: Ctrl-C ends the work at once, at the provider too, and what has come is kept.
func TestInterrupt(t *testing.T) {
	hangs, left := make(chan struct{}), make(chan struct{})
	server := &wiretest.Server{Chat: func(ctx context.Context, _ *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
		return genai.Open(ctx, func(ctx context.Context, yield func(genai.ChatEvent) bool) error {
			yield(genai.ChatEvent{Text: "It is"})
			close(hangs)
			<-ctx.Done()
			close(left)
			return genai.ContextError(ctx)
		})
	}}
	cmd, out, errs := command(t, nil, []string{"OPENAI_BASE_URL=" + server.Start(t) + "/v1"}, "-model", "openai:gpt-5-mini", "hi")
	read, write := io.Pipe()
	cmd.Stdout = io.MultiWriter(out, write)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-hangs
	if _, err := io.ReadFull(read, make([]byte, len("It is"))); err != nil { // the program has printed it
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, read) }() // ends with the pipe
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-left
	_ = cmd.Wait()
	_ = write.Close()
	if code := cmd.ProcessState.ExitCode(); code != interrupted || out.String() != "It is\n" || !strings.Contains(errs.String(), "ask: stopped") {
		t.Errorf("%q, %q, %d", out, errs, code)
	}
}
