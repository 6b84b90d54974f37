package gemini_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

var banana = &genai.ImageRequest{Prompt: "A banana that keeps my very secret secret"}

func whole(body string) http.HandlerFunc { return fixed(200, "application/json", body) }

func TestPaint(t *testing.T) {
	pixels := base64.StdEncoding.EncodeToString([]byte("pixels"))
	s := serve(t, whole(done(`{"text":"Here it is."},{"inlineData":{"mimeType":"image/png","data":"c2tldGNo"},"thought":true},{"inlineData":{"mimeType":"image/png","data":"`+pixels+`"}},`+
		`{"fileData":{"mimeType":"image/jpeg","fileUri":"https://files.test/1"}}`, "STOP")))
	var paint genai.Painter = s.client().Paint
	got, err := paint(t.Context(), &genai.ImageRequest{
		Model: "gemini-2.5-flash-image", Prompt: "Peel it", Size: "16:9 2K",
		Sources: []genai.Blob{genai.NewBlob("image/png", []byte("whole")), genai.BlobURL("image/png", "gs://bananas/1", "")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"contents":[{"role":"user","parts":[{"text":"Peel it"},{"inlineData":{"mimeType":"image/png","data":"d2hvbGU="}},{"fileData":{"mimeType":"image/png","fileUri":"gs://bananas/1"}}]}],` +
		`"generationConfig":{"imageConfig":{"aspectRatio":"16:9","imageSize":"2K"},"responseModalities":["IMAGE"]}}`; s.body != want {
		t.Errorf("sent %s", s.body)
	}
	if s.request.URL.Path != "/v1beta/models/gemini-2.5-flash-image:generateContent" {
		t.Error(s.request.URL)
	}
	if len(got.Images) != 2 || string(got.Images[0].Blob.Bytes()) != "pixels" || got.Images[0].Blob.MediaType() != "image/png" || got.Images[1].Blob.URL() != "https://files.test/1" {
		t.Errorf("%+v", got.Images)
	}
	if u := got.Usage; got.Model != "real" || u == nil || *u != (genai.Usage{Input: 11, Output: 9, CacheRead: 3, Reasoning: 5}) {
		t.Errorf("%+v, %+v", got, got.Usage)
	}
}

func TestPaintSizes(t *testing.T) {
	s := serve(t, whole(done(`{"inlineData":{"mimeType":"image/png","data":"AA=="}}`, "STOP")))
	for size, want := range map[string]string{
		"": "<nil>", "1:1": "map[aspectRatio:1:1]", "4K": "map[imageSize:4K]", "1024x1024": "map[aspectRatio:1:1]",
		"512x512": "map[aspectRatio:1:1 imageSize:512]", "2048x2048": "map[aspectRatio:1:1 imageSize:2K]", "4096x4096": "map[aspectRatio:1:1 imageSize:4K]",
	} {
		if _, err := s.client().Paint(t.Context(), &genai.ImageRequest{Prompt: "x", Size: size}); err != nil {
			t.Fatal(err)
		}
		var sent struct{ GenerationConfig map[string]any }
		if err := json.Unmarshal([]byte(s.body), &sent); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(sent.GenerationConfig["imageConfig"]); got != want {
			t.Errorf("%q is %s, want %s", size, got, want)
		}
	}
}

func TestPaintRefused(t *testing.T) {
	s := serve(t, whole("{}"))
	two := 2
	for field, req := range map[string]*genai.ImageRequest{
		"prompt": {}, "n": {Prompt: "x", N: &two}, "mask": {Prompt: "x", Mask: &genai.Blob{}}, "quality": {Prompt: "x", Quality: "high"},
		"format": {Prompt: "x", Format: "image/png"}, "end_user": {Prompt: "x", EndUser: "u"}, "size": {Prompt: "x", Size: "1536x1024"},
		"sources[0]": {Prompt: "x", Sources: []genai.Blob{{}}},
	} {
		_, err := s.client().Paint(t.Context(), req)
		if e := genai.AsError(err); e == nil || e.Field != field || e.Started != genai.StartedNo {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := s.client().Paint(t.Context(), nil); !errors.Is(err, genai.InvalidRequest) {
		t.Error(err)
	}
	nobody := s.client()
	nobody.Model = ""
	if _, err := nobody.Paint(t.Context(), banana); genai.AsError(err).Field != "model" {
		t.Error(err)
	}
	if s.calls != 0 {
		t.Errorf("%d calls", s.calls)
	}
}

func TestPaintFailures(t *testing.T) {
	cases := []struct {
		name, body string
		status     int
		kind       genai.Kind
		code       string
	}{
		{"the prompt is blocked", `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}`, 200, genai.ContentFiltered, "PROHIBITED_CONTENT"},
		{"the picture is withheld", done(``, "IMAGE_SAFETY"), 200, genai.ContentFiltered, "IMAGE_SAFETY"},
		{"no picture", done(`{"text":"I would rather not."}`, "NO_IMAGE"), 200, genai.Empty, "NO_IMAGE"},
		{"words only", done(`{"text":"A banana is yellow."}`, "STOP"), 200, genai.Empty, "STOP"},
		{"a thought only", done(`{"inlineData":{"mimeType":"image/png","data":"AA=="},"thought":true}`, "STOP"), 200, genai.Empty, "STOP"},
		{"broken", done(``, "MALFORMED_RESPONSE"), 200, genai.Malformed, "MALFORMED_RESPONSE"},
		{"nothing", `{}`, 200, genai.Empty, ""},
		{"not base64", done(`{"inlineData":{"mimeType":"image/png","data":"?"}}`, "STOP"), 200, genai.Malformed, ""},
		{"no bytes", done(`{"inlineData":{"mimeType":"image/png","data":""}}`, "STOP"), 200, genai.Malformed, ""},
		{"not a picture", done(`{"inlineData":7}`, "STOP"), 200, genai.Malformed, ""},
		{"cut", say(`{"inlineData":{"mimeType":"image/png","data":"AA`)[:80], 200, genai.Truncated, ""},
		{"a web page", "<html>", 200, genai.Malformed, ""},
		{"an error inside", `{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}`, 200, genai.RateLimited, "RESOURCE_EXHAUSTED"},
		{"an error in an array", `[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]`, 200, genai.Overloaded, "UNAVAILABLE"},
		{"refused", `{"error":{"code":400,"message":"A banana that keeps my very secret secret is too long","status":"INVALID_ARGUMENT"}}`, 400, genai.InvalidRequest, "INVALID_ARGUMENT"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := serve(t, fixed(c.status, "application/json", c.body)).client().Paint(t.Context(), banana)
			if e := genai.AsError(err); e == nil || e.Kind != c.kind || e.Code != c.code || e.Message == "" {
				t.Errorf("%v, want %s with %q", err, c.kind, c.code)
			}
			if strings.Contains(fmt.Sprint(err), "secret") {
				t.Errorf("quotes the prompt: %v", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := serve(t, whole("{}")).client().Paint(ctx, banana); !errors.Is(err, genai.Cancelled) {
		t.Error(err)
	}
}

// TestRecordedPicture: the picture that was recorded, byte by byte.
func TestRecordedPicture(t *testing.T) {
	n := 0
	for _, r := range recordedtest.Load(t, "gemini", "generateContent") {
		if !slices.Contains(r.Tags, "multimodal_out") || !strings.Contains(r.ID, "image_generation") {
			continue
		}
		n++
		replay := r.Replay()
		got, err := client(replay).Paint(t.Context(), &genai.ImageRequest{Model: "gemini-2.5-flash-image", Prompt: "Generate a simple flat icon of a yellow banana on a white background.", Size: "1:1"})
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(r.Body, `"data":"`)
		data, _, _ := strings.Cut(after, `"`)
		want, err := base64.StdEncoding.DecodeString(data)
		if err != nil || len(got.Images) != 1 || sha256.Sum256(got.Images[0].Blob.Bytes()) != sha256.Sum256(want) || !strings.HasPrefix(string(want), "\x89PNG") {
			t.Errorf("%v, %v", got.Images, err)
		}
		if got.Usage.Input != 15 || got.Usage.Output != 1290 || got.Model != "gemini-2.5-flash-image" {
			t.Errorf("%+v, %+v", got.Usage, got.Model)
		}
		// The client asks as was asked when this was recorded.
		var sent, recorded map[string]any
		if json.Unmarshal([]byte(replay.Request), &sent) != nil || json.Unmarshal(r.Request, &recorded) != nil {
			t.Fatal("the requests are not JSON")
		}
		if fmt.Sprint(sent["generationConfig"]) != fmt.Sprint(recorded["generationConfig"]) || fmt.Sprint(sent["contents"]) != fmt.Sprint(recorded["contents"]) {
			t.Errorf("asked %s, recorded was %s", replay.Request, r.Request)
		}
	}
	if n == 0 {
		t.Error("no picture was recorded")
	}
}

// FuzzPaint: whatever a server sends, there are pictures with bytes or an error of a kind.
func FuzzPaint(f *testing.F) {
	f.Add([]byte(done(`{"inlineData":{"mimeType":"image/png","data":"AA=="}}`, "STOP")))
	f.Add([]byte(`{"promptFeedback":{"blockReason":"OTHER"}}`))
	f.Add([]byte(`[{"error":{}}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := client(&recordedtest.Replay{Body: string(body)})
		got, err := c.Paint(t.Context(), banana)
		if e, ok := errors.AsType[*genai.Error](err); err != nil && (!ok || !e.Kind.Known() || e.Kind == genai.Internal) {
			t.Fatal(err)
		}
		if err == nil && (len(got.Images) == 0 || slices.ContainsFunc(got.Images, func(i genai.Image) bool { return i.Blob.Len() == 0 && i.Blob.URL() == "" })) {
			t.Fatalf("%+v", got)
		}
	})
}

func TestCountTokens(t *testing.T) {
	s := serve(t, whole(`{"totalTokens":31,"promptTokensDetails":[{"modality":"TEXT","tokenCount":31}]}`))
	var count genai.Handler[*genai.ChatRequest, int] = s.client().CountTokens
	req := &genai.ChatRequest{Messages: []genai.Message{genai.System("Be brief."), genai.User("When?")}}
	if n, err := count(t.Context(), req); err != nil || n != 31 {
		t.Error(n, err)
	}
	inner := `"contents":[{"role":"user","parts":[{"text":"When?"}]}],`
	rest := `"systemInstruction":{"parts":[{"text":"Be brief."}]}}`
	if want := `{"generateContentRequest":{` + inner + `"model":"models/m",` + rest + `}`; s.body != want || s.request.URL.Path != "/v1beta/models/m:countTokens" {
		t.Errorf("sent %s to %s", s.body, s.request.URL.Path)
	}
	vertex := s.client()
	vertex.BaseURL = s.URL + "/v1/projects/p/locations/l/publishers/google"
	if n, err := vertex.CountTokens(t.Context(), req); err != nil || n != 31 || strings.Contains(s.body, "generateContentRequest") || !strings.Contains(s.body, `"contents"`) {
		t.Errorf("%d, %v, sent %s", n, err, s.body)
	}
	for body, kind := range map[string]genai.Kind{
		`{}`: genai.Malformed, `{"totalTokens":`: genai.Truncated, `<html>`: genai.Malformed,
		`{"error":{"code":404,"status":"NOT_FOUND"}}`: genai.NotFound, `[{"error":{"code":404,"status":"NOT_FOUND"}}]`: genai.NotFound,
	} {
		if _, err := serve(t, whole(body)).client().CountTokens(t.Context(), req); genai.KindOf(err) != kind {
			t.Errorf("%s is %v", body, err)
		}
	}
	if _, err := s.client().CountTokens(t.Context(), nil); !errors.Is(err, genai.InvalidRequest) {
		t.Error(err)
	}
}
