package ollama_test

import (
	"context"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

func TestEmbed(t *testing.T) {
	s := serve(t, fixed(200, "application/json", `{"model":"e","embeddings":[[1,2],[3,-4.5]],"total_duration":1,"prompt_eval_count":5}`))
	c := s.client()
	c.Options = map[string]any{"num_ctx": 512}
	got, err := c.Embed(t.Context(), &genai.EmbedRequest{Input: []string{"a", "b"}, Dimensions: ptr(2)})
	want := &genai.Embeddings{Model: "e", Vectors: [][]float32{{1, 2}, {3, -4.5}}, Usage: &genai.Usage{Input: 5}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if sent := `{"model":"m","input":["a","b"],"dimensions":2,"truncate":false,"options":{"num_ctx":512}}`; s.body != sent || s.request.URL.Path != "/api/embed" {
		t.Errorf("asked %s for %s", s.request.URL, s.body)
	}
}

func TestBadVectors(t *testing.T) {
	for body, kind := range map[string]genai.Kind{
		`{"embeddings":[[1,2]]}`:           genai.Malformed,
		`{"embeddings":[[1,2],[3]]}`:       genai.Malformed,
		`{"embeddings":[[],[]]}`:           genai.Malformed,
		`{"embeddings":[[1,2],["x",3]]}`:   genai.Malformed,
		`{"embeddings":[]}`:                genai.Empty,
		`{}`:                               genai.Empty,
		`{"embeddings":[[1,2,3],[1,2,3]]}`: genai.Unsupported,
		`{"embeddings":[[1,2],[3`:          genai.Truncated,
		``:                                 genai.Truncated,
		`<html>`:                           genai.Malformed,
		`[]`:                               genai.Malformed,
		`{"error":"server busy, please try again.  maximum pending requests exceeded"}`: genai.Overloaded,
	} {
		s := serve(t, fixed(200, "application/json", body))
		got, err := s.client().Embed(t.Context(), &genai.EmbedRequest{Input: []string{"a", "b"}, Dimensions: ptr(2)})
		if genai.KindOf(err) != kind || got != nil {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	s := serve(t, fixed(400, "application/json", `{"error":"the input length exceeds the context length"}`))
	for kind, req := range map[genai.Kind]*genai.EmbedRequest{
		genai.ContextLength: {Input: []string{"a"}}, genai.InvalidRequest: {}, genai.Unsupported: {Input: []string{"a"}, Task: "query"},
	} {
		if _, err := s.client().Embed(t.Context(), req); genai.KindOf(err) != kind {
			t.Errorf("%v, want %s", err, kind)
		}
	}
}

func TestModels(t *testing.T) {
	s := serve(t, fixed(200, "application/json", `{"models":[{"name":"qwen3:4b","model":"qwen3:4b","modified_at":"2026-06-19T16:26:52.429441648-07:00","size":2497293931,`+
		`"digest":"359d","details":{"family":"qwen3","parameter_size":"4.0B","quantization_level":"Q4_K_M"}},{"model":"x"}]}`))
	got, err := s.client().Models(t.Context())
	want := []ollama.Model{
		{Name: "qwen3:4b", Digest: "359d", Size: 2497293931, Family: "qwen3", Parameters: "4.0B", Quantization: "Q4_K_M"}, {Name: "x"},
	}
	if err != nil || len(got) != 2 || !got[0].Modified.Equal(time.Date(2026, 6, 19, 23, 26, 52, 429441648, time.UTC)) {
		t.Fatalf("%+v, %v", got, err)
	}
	got[0].Modified = time.Time{}
	if !reflect.DeepEqual(got, want) || s.request.Method != http.MethodGet || s.request.URL.Path != "/api/tags" || s.body != "" {
		t.Errorf("%+v after %s %s", got, s.request.Method, s.request.URL)
	}
	for body, kind := range map[string]genai.Kind{`{"models":[`: genai.Truncated, `{}`: genai.Malformed, `{"error":"m"}`: genai.ServerError, `<html>`: genai.Malformed} {
		s := serve(t, fixed(200, "application/json", body))
		if got, err := s.client().Models(t.Context()); genai.KindOf(err) != kind || got != nil {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	s = serve(t, fixed(200, "application/json", `{"models":[]}`))
	if got, err := s.client().Models(t.Context()); err != nil || got == nil || len(got) != 0 {
		t.Errorf("none: %+v, %v", got, err)
	}
	nobody := &ollama.Client{BaseURL: "http://127.0.0.1:1"} // a port that a closed server had may be somebody else's by now
	if _, err := nobody.Models(t.Context()); genai.AsError(err).Kind != genai.Unavailable || genai.AsError(err).Started != genai.StartedNo {
		t.Error(err)
	}
}

func TestRecordedModels(t *testing.T) {
	for _, r := range recordedtest.Load(t, "ollama", "ollama.tags") {
		got, err := (&ollama.Client{HTTP: r.Replay().Client()}).Models(t.Context())
		if err != nil || len(got) < 3 || got[0].Name == "" || got[0].Size == 0 || got[0].Family == "" || got[0].Modified.IsZero() {
			t.Errorf("%s: %+v, %v", r.ID, got, err)
		}
	}
}

func pull(ctx context.Context, c *ollama.Client) (all []ollama.Progress, err error) {
	s, err := c.Pull(ctx, "")
	if err != nil {
		return nil, err
	}
	for p, err := range s.All() {
		if err != nil {
			return all, err
		}
		all = append(all, p)
	}
	return all, nil
}

func TestPull(t *testing.T) {
	recordedtest.CheckLeaks(t)
	manifest, layer := `{"status":"pulling manifest"}`, `{"status":"pulling 35","digest":"sha256:35","total":20,"completed":10}`
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		pieces int
		kind   genai.Kind
	}{
		"all":                {stream(manifest, layer, `{"status":"success"}`, `{"status":"behind"}`), 3, ""},
		"cut":                {stream(manifest, layer), 2, genai.Truncated},
		"cut inside":         {stream(manifest, `{"status":"pul`), 1, genai.Truncated},
		"nothing":            {stream(), 0, genai.Truncated},
		"no such model":      {stream(manifest, `{"error":"pull model manifest: file does not exist"}`), 1, genai.NotFound},
		"no such model, 404": {fixed(404, "application/json", `{"error":"m"}`), 0, genai.NotFound},
		"a web page":         {fixed(200, "text/html", `<html>`), 0, genai.Malformed},
		"no JSON":            {stream(manifest, `done`), 1, genai.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.answer)
			got, err := pull(t.Context(), s.client())
			if len(got) != c.pieces || genai.KindOf(err) != c.kind {
				t.Errorf("%+v, %v", got, err)
			}
			if len(got) > 1 && got[1] != (ollama.Progress{Status: "pulling 35", Digest: "sha256:35", Total: 20, Completed: 10}) {
				t.Errorf("%+v", got[1])
			}
			if s.body != `{"model":"m","stream":true}` || s.request.URL.Path != "/api/pull" {
				t.Errorf("asked %s for %s", s.request.URL, s.body)
			}
		})
	}
	t.Run("left", func(t *testing.T) {
		gone := make(chan struct{})
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(data(manifest)))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			close(gone)
		})
		stream, err := s.client().Pull(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Close()
		<-gone
	})
}
