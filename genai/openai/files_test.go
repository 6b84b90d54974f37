package openai_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// every reads a stream to its end.
func every[T any](s *genai.Stream[T], err error) (all []T, _ error) {
	if err != nil {
		return nil, err
	}
	for v, err := range s.All() {
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}

// A slow reader shows whether a file is sent as it is read: it waits until its first bytes have arrived.
type slow struct {
	parts   []string
	arrived chan struct{}
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.parts) == 0 {
		return 0, io.EOF
	}
	if len(s.parts) == 1 {
		<-s.arrived
	}
	n := copy(p, s.parts[0])
	s.parts = s.parts[1:]
	return n, nil
}

func TestUpload(t *testing.T) {
	leakCheck(t)
	d := newDesk(t)
	c := d.client()
	text := strings.Repeat("line\n", 1000)
	got, err := c.Upload(t.Context(), &openai.Upload{Name: `tr"ain.jsonl`, Purpose: "fine-tune", Body: strings.NewReader(text), Size: int64(len(text)), Expires: 30 * 24 * time.Hour})
	if err != nil || got.ID != "file-1" || got.Size != 5000 || got.Purpose != "fine-tune" || got.Created.Unix() != 1613677385 || !got.Expires.IsZero() {
		t.Fatalf("%+v, %v", got, err)
	}
	form := d.forms[0]
	if d.files["file-1"] != text || form["filename"] != `tr"ain.jsonl` || form["expires_after[anchor]"] != "created_at" || form["expires_after[seconds]"] != "2592000" || form["length"] == "-1" {
		t.Errorf("%v", form)
	}
	if got, err = c.Upload(t.Context(), &openai.Upload{Name: "a", Body: bytes.NewReader([]byte("b"))}); err != nil || d.files[got.ID] != "b" || d.forms[1]["length"] != "-1" {
		t.Errorf("without a size: %v, %v", err, d.forms)
	}

	arrived := make(chan struct{})
	s := serveRaw(t, func(w http.ResponseWriter, r *http.Request) {
		begun := make([]byte, 400)
		n, err := io.ReadAtLeast(r.Body, begun, 300)
		if err != nil || !strings.Contains(string(begun[:n]), "first") {
			t.Errorf("%q, %v", begun[:n], err)
		}
		close(arrived)
		rest, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(rest), "second") {
			t.Errorf("%q, %v", rest, err)
		}
		_, _ = io.WriteString(w, `{"id":"file-1"}`)
	})
	if _, err := s.Upload(t.Context(), &openai.Upload{Name: "a.jsonl", Purpose: "batch", Body: &slow{[]string{"first" + strings.Repeat(".", 300), "second"}, arrived}}); err != nil {
		t.Error(err)
	}
}

// serveRaw is serve for requests that are not JSON.
func serveRaw(t *testing.T, answer http.HandlerFunc) *openai.Client {
	d := newDesk(t)
	d.refuse = slices.Repeat([]http.HandlerFunc{answer}, 10)
	return d.client()
}

func TestUploadFailures(t *testing.T) {
	d := newDesk(t)
	for name, u := range map[string]*openai.Upload{"nothing": nil, "no body": {Name: "a"}, "no name": {Body: strings.NewReader("a")}} {
		if _, err := d.client().Upload(t.Context(), u); !errors.Is(err, genai.InvalidRequest) || len(d.calls) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A file that is shorter or longer than it was said to be is never taken for whole.
	for _, size := range []int64{2, 4} {
		if _, err := d.client().Upload(t.Context(), &openai.Upload{Name: "a", Body: strings.NewReader("abc"), Size: size}); err == nil {
			t.Errorf("3 bytes pass for %d", size)
		}
	}
	broken := errors.New("the disk is broken")
	_, err := d.client().Upload(t.Context(), &openai.Upload{Name: "a", Body: io.MultiReader(strings.NewReader("a"), broke{broken})})
	if !errors.Is(err, broken) || genai.AsError(err).Started == genai.StartedNo {
		t.Error(err)
	}
	for body, kind := range map[string]genai.Kind{
		`{}`: genai.Malformed, `{"error":{"code":"request_too_large"}}`: genai.TooLarge, `<html>`: genai.Malformed, `{"id":"f`: genai.Truncated,
	} {
		c := serveRaw(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, body)
		})
		if _, err := c.Upload(t.Context(), &openai.Upload{Name: "a", Body: strings.NewReader("abc")}); genai.KindOf(err) != kind {
			t.Errorf("%s is %v", body, err)
		}
	}
}

type broke struct{ err error }

func (b broke) Read([]byte) (int, error) { return 0, b.err }

func TestContent(t *testing.T) {
	leakCheck(t)
	d := newDesk(t)
	d.files["file-1"] = strings.Repeat("text ", 100)
	c := d.client()
	r, err := c.Content(t.Context(), "file-1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || string(got) != d.files["file-1"] || r.Close() != nil {
		t.Errorf("%q, %v", got, err)
	}
	d.cut["file-1"] = 123
	if r, err = c.Content(t.Context(), "file-1"); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err = io.ReadAll(r); len(got) != 123 || !errors.Is(err, genai.Truncated) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := c.Content(t.Context(), "file-2"); !errors.Is(err, genai.NotFound) {
		t.Error(err)
	}
	if err := c.DeleteFile(t.Context(), "file-1"); err != nil || len(d.files) > 0 {
		t.Error(err)
	}
	if err := c.DeleteFile(t.Context(), "file-1"); !errors.Is(err, genai.NotFound) {
		t.Error(err)
	}
	before := len(d.calls)
	for _, id := range []string{"", "..", "a/b", "a?x"} {
		if _, err := c.Content(t.Context(), id); !errors.Is(err, genai.InvalidRequest) {
			t.Errorf("%q: %v", id, err)
		}
		if err := c.DeleteFile(t.Context(), id); !errors.Is(err, genai.InvalidRequest) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if len(d.calls) != before {
		t.Error("asked for ", d.calls[before:])
	}
}

// TestFilesPages: a list goes on as long as the server says so, and no longer than somebody listens.
func TestFilesPages(t *testing.T) {
	leakCheck(t)
	var queries []string
	page := func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.RawQuery)
		switch r.URL.Query().Get("after") {
		case "":
			_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"f1","filename":"a"},{"id":"f2","expires_at":1613677385}],"first_id":"f1","last_id":"f2","has_more":true}`)
		case "f2":
			_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"f3"}],"has_more":false}`)
		}
	}
	got, err := every(serveRaw(t, page).Files(t.Context(), "batch"))
	if err != nil || len(got) != 3 || got[0].Name != "a" || got[1].Expires.Unix() != 1613677385 || got[2].ID != "f3" {
		t.Errorf("%+v, %v", got, err)
	}
	if want := []string{"purpose=batch", "after=f2&purpose=batch"}; !slices.Equal(queries, want) {
		t.Errorf("asked for %q", queries)
	}
	queries = nil
	stream, err := serveRaw(t, page).Files(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for range stream.All() {
		break
	}
	if !slices.Equal(queries, []string{""}) {
		t.Errorf("asked for %q", queries)
	}
	for body, kind := range map[string]genai.Kind{
		`{"data":[],"has_more":true}`:            genai.Malformed,
		`{"data":[{"id":"f2"}],"has_more":true`:  genai.Truncated,
		`{"data":[{}]}`:                          genai.Malformed,
		`{"data":7}`:                             genai.Malformed,
		`{}`:                                     genai.Malformed,
		`{"data":[{"id":"f1"}],"has_more":true}`: genai.Malformed, // the same page for ever
		`{"data":[]}`:                            "",
	} {
		if _, err := every(serveRaw(t, fixed(200, "application/json", body)).Files(t.Context(), "")); genai.KindOf(err) != kind {
			t.Errorf("%s is %v", body, err)
		}
	}
}

// TestRecordedModels: the lists of models of real servers.
func TestRecordedModels(t *testing.T) {
	n := 0
	all := slices.Concat(recordedtest.Load(t, "openai-chat", "models"), recordedtest.Load(t, "compatible", "models"))
	for _, r := range all {
		t.Run(r.ID, func(t *testing.T) {
			n++
			models, err := every((&openai.Client{BaseURL: "http://" + r.Provider + ".test/v1", HTTP: r.Replay().Client()}).Models(t.Context()))
			if r.Status >= 300 {
				if !errors.Is(err, genai.Unauthenticated) {
					t.Error(err)
				}
				return
			}
			if err != nil || len(models) < 1 {
				t.Fatal(len(models), err)
			}
			window := 0
			for _, m := range models {
				window = max(window, m.Window)
				if m.ID == "" {
					t.Errorf("%+v", m)
				}
			}
			if want := map[string]bool{"groq": true, "mistral": true, "llamacpp": true}[r.Provider]; (window > 0) != want {
				t.Errorf("the longest window is %d", window)
			}
		})
	}
	if n < 8 {
		t.Errorf("only %d lists", n)
	}
}

func TestModelDates(t *testing.T) {
	body := `{"data":[{"id":"a","created":1686935002,"owned_by":"o","shutdown_date":"2026-10-23"},{"id":"b","shutdown_date":null,"created":1686935002.7},{"id":"c","shutdown_date":1686935002,"max_model_len":4096}]}`
	models, err := every(serveRaw(t, fixed(200, "application/json", body)).Models(t.Context()))
	want := "[{a o 2023-06-16 17:03:22 +0000 UTC 2026-10-23 00:00:00 +0000 UTC 0} {b  2023-06-16 17:03:22 +0000 UTC 0001-01-01 00:00:00 +0000 UTC 0} {c  0001-01-01 00:00:00 +0000 UTC 2023-06-16 17:03:22 +0000 UTC 4096}]"
	if got := fmt.Sprint(models); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
}
