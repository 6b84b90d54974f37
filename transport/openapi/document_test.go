package openapi_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/openapi"
)

type (
	order struct {
		ID    string     `json:"id"`
		Size  uint8      `json:"size"`
		When  time.Time  `json:"when"`
		Notes []string   `json:"notes"`
		Parts [2]part    `json:"parts"`
		Photo genai.Blob `json:"photo,omitzero"`
	}
	part struct {
		Name  string          `json:"name"`
		Inner *part           `json:"inner,omitzero"`
		Extra map[string]any  `json:"extra,omitzero"`
		Raw   json.RawMessage `json:"raw,omitzero"`
	}
	step struct {
		Text string `json:"text"`
	}
)

var (
	place = transport.Op[*order, *order]{Name: "shop.place", Idempotency: transport.Keyed, MaxBytes: 4096}
	track = transport.Op[*step, *genai.Stream[step]]{Name: "shop.track", Idempotency: transport.Safe}
)

// shop serves both on a server that describes itself.
func shop(d *openapi.Document) *httptransport.Server {
	s := &httptransport.Server{Pages: d}
	place.Serve(s, func(_ context.Context, o *order) (*order, error) { return o, nil })
	track.Serve(s, func(ctx context.Context, q *step) (*genai.Stream[step], error) {
		return genai.Open(ctx, func(_ context.Context, yield func(step) bool) error {
			yield(step{"on its way: " + q.Text})
			return nil
		})
	})
	return s
}

func get(t *testing.T, h http.Handler, target string, change ...func(*http.Request)) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest("GET", target, nil)
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(text)
}

// at returns what a path of members leads to.
func at(t *testing.T, v any, path ...string) any {
	t.Helper()
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok || m[name] == nil {
			t.Fatalf("there is no %q in %v", name, v)
		}
		v = m[name]
	}
	return v
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOpenAPI(t *testing.T) {
	resp, body := get(t, shop(&openapi.Document{}), "http://localhost/openapi.json")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s %s", resp.Status, body)
	}
	var d any
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		t.Fatal(err)
	}
	op := at(t, d, "paths", "/shop/place", "post")
	for want, got := range map[string]any{
		`"3.1.0"`:                                             at(t, d, "openapi"),
		`"shop"`:                                              at(t, d, "info", "title"),
		`"shop.place"`:                                        at(t, op, "operationId"),
		`{"$ref":"#/components/schemas/order"}`:               at(t, op, "requestBody", "content", "application/json", "schema"),
		`["id","notes","parts","size","when"]`:                at(t, d, "components", "schemas", "order", "required"),
		`{"format":"date-time","type":"string"}`:              at(t, d, "components", "schemas", "order", "properties", "when"),
		`{"maximum":255,"minimum":0,"type":"integer"}`:        at(t, d, "components", "schemas", "order", "properties", "size"),
		`{"items":{"type":"string"},"type":["array","null"]}`: at(t, d, "components", "schemas", "order", "properties", "notes"),
		`{"items":{"$ref":"#/components/schemas/part"},"maxItems":2,"minItems":2,"type":"array"}`:                                         at(t, d, "components", "schemas", "order", "properties", "parts"),
		`{"anyOf":[{"$ref":"#/components/schemas/part"},{"type":"null"}]}`:                                                                at(t, d, "components", "schemas", "part", "properties", "inner"),
		`{"anyOf":[{"$ref":"#/components/schemas/dovetail.Blob"},{"type":"null"}]}`:                                                       at(t, d, "components", "schemas", "order", "properties", "photo"),
		`{"schema":{"description":"The request, with the bytes of blobs beside it instead of in it.","format":"binary","type":"string"}}`: at(t, op, "requestBody", "content", "application/vnd.dovetail.frames"),
		`{"$ref":"#/components/schemas/step"}`:                                                                                            at(t, d, "paths", "/shop/track", "post", "responses", "200", "content", "text/event-stream", "x-item-schema"),
		`{"$ref":"#/components/responses/Problem"}`:                                                                                       at(t, op, "responses", "default"),
	} {
		if text(t, got) != want {
			t.Errorf("got  %s\nwant %s", text(t, got), want)
		}
	}
	if params := text(t, at(t, op, "parameters")); !strings.Contains(params, "/Key") {
		t.Errorf("a keyed operation has no key: %s", params)
	}
	if params := text(t, at(t, d, "paths", "/shop/track", "post", "parameters")); strings.Contains(params, "/Key") {
		t.Errorf("one that is not has one: %s", params)
	}
	if again, err := json.Marshal(json.RawMessage(body)); err != nil || len(again) == 0 {
		t.Error(err)
	}
	if _, second := get(t, shop(&openapi.Document{}), "http://localhost/openapi.json"); second != body {
		t.Error("the same operations have another document")
	}
}

type thing struct{ A string }

// TestSameName: types of the same name stay apart, and the same type is described once.
func TestSameName(t *testing.T) {
	type thing2 = struct {
		Thing thing
	}
	s := &httptransport.Server{}
	d := &openapi.Document{}
	s.Pages = d
	transport.Op[*thing, *thing]{Name: "a.one"}.Serve(s, nil)
	transport.Op[*thing, *thing2]{Name: "a.two"}.Serve(s, nil)
	func() {
		type thing struct{ B int }
		transport.Op[*thing, *thing]{Name: "b.one"}.Serve(s, nil)
	}()
	body, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var all any
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatal(err)
	}
	schemas := at(t, all, "components", "schemas").(map[string]any)
	for name, want := range map[string]string{"thing": `"A"`, "thing2": `"B"`} {
		if !strings.Contains(text(t, schemas[name]), want) {
			t.Errorf("%s is %s", name, text(t, schemas[name]))
		}
	}
	if schemas["thing3"] != nil {
		t.Error("a type is described twice")
	}
}

// TestCurl: the lines on the page can be pasted into a shell, and do what they say.
func TestCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip(err)
	}
	d := &openapi.Document{Bearer: true, Examples: map[string]any{"shop.track": step{"Where's my $HOME `order` \"7\" <b>&amp;</b>?"}}}
	host := httptest.NewServer(shop(d))
	defer host.Close()
	resp, err := http.Get(host.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`<pre>(.*)</pre>`).FindAllStringSubmatch(string(page), -1)
	if len(lines) != 2 {
		t.Fatalf("there are %d lines", len(lines))
	}
	for i, want := range []string{`"id":"hello","size":1`, `on its way: Where's my $HOME ` + "`order`" + ` \"7\" \u003cb\u003e\u0026amp;\u003c/b\u003e?`} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", unescape(lines[i][1])+" -sS").CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s\n%v\n%s", unescape(lines[i][1]), err, out)
		}
	}
}

func unescape(s string) string {
	return strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&lt;", "<", "&gt;", ">", "&#43;", "+", "&amp;", "&").Replace(s)
}

// TestPageEscapes: whatever anybody has written is text on the page, and no more than that.
func TestPageEscapes(t *testing.T) {
	const evil = `</pre></title><script>alert(1)</script>"'>`
	type odd struct {
		Field string `json:"<b>$(id)"`
	}
	d := &openapi.Document{Title: evil, Description: evil, Examples: map[string]any{"evil.op": map[string]string{evil: evil}}}
	s := &httptransport.Server{Pages: d}
	transport.Op[*odd, *odd]{Name: "evil.op"}.Serve(s, nil)
	transport.Op[*odd, *odd]{Name: "evil.made"}.Serve(s, nil)
	for _, host := range []string{"localhost", "127.0.0.1:80", "[::1]:80", "$(id)", "`id`:80", "a;id", "-o/etc/passwd", "<b>", "a'b", ""} {
		resp, page := get(t, s, "http://localhost/", func(r *http.Request) { r.Host = host })
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%s %v", resp.Status, resp.Header)
		}
		for _, bad := range []string{"<script", "<b>", "http://$(", "http://`", "a;id", "-o/etc", "a'b"} {
			if strings.Contains(unescapeHost(page), bad) {
				t.Errorf("host %q: there is %q on the page", host, bad)
			}
		}
		for _, line := range regexp.MustCompile(`<pre>(.*)</pre>`).FindAllStringSubmatch(page, -1) {
			if n := strings.Count(unescape(line[1]), "'"); n%2 != 0 {
				t.Errorf("a quote is open: %s", unescape(line[1]))
			}
		}
	}
	if _, page := get(t, s, "http://localhost/", func(r *http.Request) { r.Host = "[::1]:80" }); !strings.Contains(unescape(page), `'http://[::1]:80'/evil/op`) {
		t.Error("an address of version 6 is not quoted")
	}
}

// unescapeHost leaves the markup as it is, but undoes what is done to quotes in text.
func unescapeHost(page string) string { return strings.ReplaceAll(page, "&#39;", "'") }

// TestWhere: what is answered at which path, and by whom.
func TestWhere(t *testing.T) {
	own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "own "+r.URL.Path) })
	alone, both := shop(&openapi.Document{}), shop(&openapi.Document{Pages: own})
	for _, c := range []struct {
		server *httptransport.Server
		path   string
		status int
		want   string
	}{
		{alone, "/", 200, "<h1>shop</h1>"}, {alone, "/openapi", 200, "<h1>shop</h1>"}, {alone, "/openapi.json", 200, `"3.1.0"`}, {alone, "/else", 404, "not found"},
		{both, "/", 200, "own /"}, {both, "/openapi", 200, "<h1>shop</h1>"}, {both, "/openapi.json", 200, `"3.1.0"`}, {both, "/else", 200, "own /else"},
		{&httptransport.Server{Pages: &openapi.Document{}}, "/", 200, "Nothing is served here"},
	} {
		if resp, body := get(t, c.server, "http://localhost"+c.path); resp.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %s %.200s", c.path, resp.Status, body)
		}
	}
	tokens := &httptransport.Tokens{}
	closed := shop(&openapi.Document{})
	closed.Identity = tokens
	for _, path := range []string{"/", "/openapi.json"} {
		if resp, _ := get(t, closed, "http://localhost"+path); resp.StatusCode != 401 {
			t.Errorf("%s is open: %s", path, resp.Status)
		}
	}
}
