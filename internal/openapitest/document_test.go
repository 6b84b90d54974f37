package openapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/openapi"
)

// Everything that a message may be made of.
type (
	everything struct {
		Bool     bool              `json:"bool"`
		Int      int               `json:"int"`
		Small    int8              `json:"small"`
		Large    uint64            `json:"large"`
		Float    float64           `json:"float"`
		Text     string            `json:"text"`
		Bytes    []byte            `json:"bytes"`
		Time     time.Time         `json:"time"`
		Any      any               `json:"any"`
		Number   json.Number       `json:"number"`
		List     []string          `json:"list"`
		Four     [4]int            `json:"four"`
		Map      map[string]nested `json:"map"`
		Nested   nested            `json:"nested"`
		Pointer  *nested           `json:"pointer"`
		Maybe    *int              `json:"maybe,omitzero"`
		Blob     genai.Blob        `json:"blob,omitzero"`
		Tree     *tree             `json:"tree,omitzero"`
		Ignored  string            `json:"-"`
		Embedded embedded          `json:"embedded"`
		embedded
	}
	nested   struct{ Name string }
	embedded struct {
		Deep string `json:"deep"`
	}
	tree struct {
		Branches []tree `json:"branches,omitzero"` // the library takes a required list of itself, which may be empty, for an endless value
	}
)

var (
	whole  = transport.Op[*everything, *everything]{Name: "suite.whole", Idempotency: transport.Keyed}
	safe   = transport.Op[*tree, *tree]{Name: "suite.grow", Idempotency: transport.Safe}
	chat   = transport.Op[*genai.ChatRequest, *genai.Stream[genai.ChatEvent]]{Name: "desk.answer"}
	speak  = transport.Op[*genai.SpeechRequest, *genai.Stream[genai.SpeechChunk]]{Name: "studio.speak"}
	check  = transport.Op[*genai.ModerationRequest, *genai.Verdict]{Name: "moderation.check"}
	paint  = transport.Op[*genai.ImageRequest, *genai.Images]{Name: "studio.paint"}
	embed  = transport.Op[*genai.EmbedRequest, *genai.Embeddings]{Name: "studio.embed"}
	hidden = transport.Op[*nested, *nested]{Name: "other.nested"} // of the same name as another
)

// serve puts all of it on a server that describes itself.
func serve(t *testing.T, d *openapi.Document) *httptest.Server {
	s := &httptransport.Server{Pages: d}
	whole.Serve(s, func(_ context.Context, e *everything) (*everything, error) { return e, nil })
	safe.Serve(s, func(_ context.Context, e *tree) (*tree, error) { return e, nil })
	chat.Serve(s, func(ctx context.Context, _ *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
		return nil, genai.Errorf(genai.RateLimited, "not now")
	})
	check.Serve(s, func(context.Context, *genai.ModerationRequest) (*genai.Verdict, error) { return &genai.Verdict{}, nil })
	paint.Serve(s, func(context.Context, *genai.ImageRequest) (*genai.Images, error) { return &genai.Images{}, nil })
	speak.Serve(s, func(context.Context, *genai.SpeechRequest) (*genai.Stream[genai.SpeechChunk], error) {
		return nil, genai.Errorf(genai.NoTarget, "nobody")
	})
	embed.Serve(s, func(context.Context, *genai.EmbedRequest) (*genai.Embeddings, error) { return &genai.Embeddings{}, nil })
	hidden.Serve(s, func(_ context.Context, n *nested) (*nested, error) { return n, nil })
	host := httptest.NewServer(s)
	t.Cleanup(host.Close)
	return host
}

func load(t *testing.T, host *httptest.Server) validator.Validator {
	t.Helper()
	resp, err := http.Get(host.URL + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp.Status, err)
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := document.BuildV3Model(); err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return v
}

// TestDocument: what we write is a document of OpenAPI 3.1.
func TestDocument(t *testing.T) {
	for name, d := range map[string]*openapi.Document{"plain": {}, "all of it": {Title: "T", Description: "D", Version: "1", Bearer: true}} {
		t.Run(name, func(t *testing.T) {
			valid, problems := load(t, serve(t, d)).ValidateDocument()
			for _, p := range problems {
				t.Errorf("%s: %s", p.Message, p.Reason)
				for _, deep := range p.SchemaValidationErrors {
					t.Errorf("   %s: %s", deep.KeywordLocation, deep.Reason)
				}
			}
			if !valid {
				t.Error("the document is not valid")
			}
		})
	}
	if valid, _ := load(t, httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"openapi":"3.1.0","info":{"title":"x"},"paths":{"/a":{"post":{"responses":{"200":{}}}}}}`)
	}))).ValidateDocument(); valid {
		t.Error("the validator takes everything")
	}
}

// TestExchange: what a server takes and gives is what its document says.
func TestExchange(t *testing.T) {
	host := serve(t, &openapi.Document{})
	v := load(t, host)
	one := 1
	all, err := json.Marshal(everything{Any: map[string]any{"a": 1}, Number: "1.5", Pointer: &nested{"n"}, Maybe: &one, Large: 1 << 63, Map: map[string]nested{"a": {}},
		Bytes: []byte("bytes"), List: []string{"a"}, Blob: genai.NewBlob("image/png", []byte("bytes")), Tree: &tree{[]tree{{}, {[]tree{}}}}, Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	few, err := json.Marshal(everything{Number: "0"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path, body string
		status     int
		breaks     bool // the request is one that the document does not allow
	}{
		"everything":            {"/suite/whole", string(all), 200, false},
		"as little as there is": {"/suite/whole", string(few), 200, false},
		"recursion":             {"/suite/grow", `{"branches":[{"branches":[]},{"branches":null}]}`, 200, false},
		"a value":               {"/moderation/check", `{"text":"hi"}`, 200, false},
		"no images":             {"/studio/paint", `{"prompt":"a cat"}`, 200, false},
		"an error":              {"/desk/answer", `{"messages":[{"role":"user","parts":[{"text":"hi"}]}]}`, 429, false},
		"newer than we are":     {"/other/nested", `{"Name":"x","Newer":1}`, 200, false},
		"a wrong type":          {"/moderation/check", `{"text":1}`, 400, true},
		"a number that is none": {"/suite/grow", `{"branches":[{"branches":1}]}`, 400, true},
		"no object":             {"/suite/grow", `[]`, 400, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), "POST", host.URL+c.path, bytes.NewReader([]byte(c.body)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			valid, problems := v.ValidateHttpRequest(r)
			if valid == c.breaks {
				t.Errorf("the request is valid: %v", valid)
				for _, p := range problems {
					t.Errorf("%s: %s %+v", p.Message, p.Reason, p.SchemaValidationErrors)
				}
			}
			r.Body = io.NopCloser(bytes.NewReader([]byte(c.body)))
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Errorf("got %s", resp.Status)
			}
			if valid, problems := v.ValidateHttpResponse(r, resp); !valid {
				for _, p := range problems {
					t.Errorf("the response: %s: %s %+v", p.Message, p.Reason, p.SchemaValidationErrors)
				}
			}
		})
	}
}
