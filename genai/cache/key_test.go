package cache

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

type node struct {
	Name  string
	Left  *node
	Right *node
	hide  int
}

type other struct{ Name string }

func everyone(context.Context) string { return "everyone" }

func TestDifferentRequestsHaveDifferentKeys(t *testing.T) {
	chat := func(change func(*genai.ChatRequest)) *genai.ChatRequest {
		req := &genai.ChatRequest{Model: "m", Messages: []genai.Message{genai.System("be brief"), genai.User("hello")}}
		if change != nil {
			change(req)
		}
		return req
	}
	picture := func(data string) *genai.Blob { b := genai.NewBlob("image/png", []byte(data)); return &b }
	now := time.Now()
	// Each of these is unlike all others.
	all := []any{
		"", "a", "ab", []string{"a", "b"}, []string{"ab"}, []string{"ab", ""}, []string{"", "ab"}, []string(nil), []string{},
		[]byte("ab"), [2]byte{1, 2}, [2]int8{1, 2}, 1, int64(1), uint(1), 1.0, float32(1), -1, true, false, complex(1, 2), complex(2, 1),
		map[string]int{"a": 1}, map[string]int{"a": 2}, map[string]int{"b": 1}, map[string]int{}, map[string]int(nil), map[string]int{"a": 1, "b": 2},
		map[string]any{"a": 1}, map[string]any{"a": "1"}, map[string]any{"a": nil}, []any{1}, []any{int64(1)}, []any{},
		node{Name: "a"}, &node{Name: "a"}, node{Name: "a", hide: 1}, other{Name: "a"}, (*node)(nil), (*other)(nil),
		node{Left: &node{}}, node{Right: &node{}}, node{Left: &node{Left: &node{}}}, node{Left: &node{Right: &node{}}},
		now, now.Add(1), now.UTC().Add(time.Second), struct{ F func() }{}, struct{ C chan int }{},
		chat(nil), *chat(nil),
		chat(func(r *genai.ChatRequest) { r.Model = "n" }),
		chat(func(r *genai.ChatRequest) { r.Temperature = new(0.0) }),
		chat(func(r *genai.ChatRequest) { r.TopP = new(0.0) }),
		chat(func(r *genai.ChatRequest) { r.Seed = new(int64(0)) }),
		chat(func(r *genai.ChatRequest) { r.EndUser = "u" }),
		chat(func(r *genai.ChatRequest) { r.CacheKey = "u" }),
		chat(func(r *genai.ChatRequest) { r.Messages[1].Role = genai.RoleAssistant }),
		chat(func(r *genai.ChatRequest) { r.Messages[1].Parts[0].Image = picture("1") }),
		chat(func(r *genai.ChatRequest) { r.Messages[1].Parts[0].Image = picture("2") }),
		chat(func(r *genai.ChatRequest) { r.Messages = append(r.Messages, genai.User("")) }),
		chat(func(r *genai.ChatRequest) { r.Metadata = map[string]string{"a": "b"} }),
		chat(func(r *genai.ChatRequest) { r.Stop = []string{"a"} }),
	}
	seen := map[key]int{}
	for i, req := range all {
		k, ok := keyOf(t.Context(), 1, everyone, true, req)
		if !ok {
			t.Errorf("%T %v has no key", req, req)
		}
		if was, ok := seen[k]; ok {
			t.Errorf("%T %v has the key of %T %v", req, req, all[was], all[was])
		}
		seen[k] = i
		if again, _ := keyOf(t.Context(), 1, everyone, true, req); again != k {
			t.Errorf("%T %v has another key the second time", req, req)
		}
		for name, other := range map[string]func() (key, bool){
			"handler": func() (key, bool) { return keyOf(t.Context(), 2, everyone, true, req) },
			"tenant": func() (key, bool) {
				return keyOf(t.Context(), 1, func(context.Context) string { return "one" }, true, req)
			},
		} {
			if k2, ok := other(); !ok || k2 == k {
				t.Errorf("another %s makes no difference", name)
			}
		}
	}
}

func TestEqualRequestsHaveOneKey(t *testing.T) {
	big := map[string]string{}
	for i := range 100 {
		big[fmt.Sprint(i)] = "v"
	}
	now := time.Now()
	for name, pair := range map[string][2]any{
		"maps in any order":   {big, maps.Clone(big)},
		"equal pointers":      {&node{Left: &node{Name: "a"}}, &node{Left: &node{Name: "a"}}},
		"one part used twice": {func() any { n := &node{Name: "a"}; return &node{Left: n, Right: n} }(), &node{Left: &node{Name: "a"}, Right: &node{Name: "a"}}},
		"clock readings":      {now, now.Round(0)},
		"what they share":     {[]string{"a"}, strings.Split("a", ",")},
	} {
		one, _ := keyOf(t.Context(), 1, everyone, false, pair[0])
		two, _ := keyOf(t.Context(), 1, everyone, false, pair[1])
		if one != two {
			t.Errorf("%s: two keys", name)
		}
	}
}

func TestNoKey(t *testing.T) {
	loop := &node{}
	loop.Left, loop.Right = loop, loop
	self := map[string]any{}
	self["self"] = self
	for name, req := range map[string]any{
		"nil": nil, "a function": func() {}, "a channel": make(chan int), "inside": []any{1, func() {}},
		"contains itself": loop, "a map in itself": self, "in a map": map[string]any{"a": func() {}},
		"a hidden time": struct{ t time.Time }{time.Now()},
	} {
		if _, ok := keyOf(t.Context(), 1, everyone, true, req); ok {
			t.Errorf("%s has a key", name)
		}
	}
	for name, tenant := range map[string]func(context.Context) string{"no tenant": nil, "an unknown one": func(context.Context) string { return "" }} {
		if _, ok := keyOf(t.Context(), 1, tenant, true, "q"); ok {
			t.Errorf("%s has a key", name)
		}
	}
}

func TestLeftToChance(t *testing.T) {
	zero, some := new(0.0), new(0.7)
	for _, test := range []struct {
		req  any
		want bool
	}{
		{&genai.ChatRequest{}, true},
		{&genai.ChatRequest{Temperature: some}, true},
		{&genai.ChatRequest{Temperature: zero}, false},
		{genai.ChatRequest{Temperature: zero}, false},
		{genai.ChatRequest{}, true},
		{(*genai.ChatRequest)(nil), true},
		{&genai.ImageRequest{}, true},
		{genai.ImageRequest{}, true},
		{&genai.TranscribeRequest{}, false},
		{&genai.TranscribeRequest{Temperature: some}, true},
		{&genai.EmbedRequest{}, false},
		{&genai.ModerationRequest{}, false},
		{&genai.SpeechRequest{}, false},
		{"a question", false},
	} {
		if got := leftToChance(test.req); got != test.want {
			t.Errorf("%T %+v: %v", test.req, test.req, got)
		}
		_, kept := keyOf(t.Context(), 1, everyone, false, test.req)
		_, sampled := keyOf(t.Context(), 1, everyone, true, test.req)
		if kept == test.want || !sampled {
			t.Errorf("%T %+v: kept %v, with Sampled %v", test.req, test.req, kept, sampled)
		}
	}
}

// FuzzKey: two requests have one key if and only if they are deeply equal.
func FuzzKey(f *testing.F) {
	f.Add("a", "b", "ab", "", 1, 2, true)
	f.Add("", "", "", "", 0, 0, false)
	f.Fuzz(func(t *testing.T, a, b, c, d string, m, n int, nested bool) {
		build := func(x, y string, n int) any {
			v := struct {
				S []string
				M map[string]int
				A any
				N *node
			}{S: []string{x, y}, M: map[string]int{x: n, y: n}, A: y}
			if nested {
				v.N = &node{Name: x, Left: &node{Name: y}, hide: n}
				v.A = map[string]any{y: x}
			}
			return v
		}
		one, two := build(a, b, m), build(c, d, n)
		k1, _ := keyOf(t.Context(), 1, everyone, true, one)
		k2, _ := keyOf(t.Context(), 1, everyone, true, two)
		if (k1 == k2) != reflect.DeepEqual(one, two) {
			t.Errorf("%#v and %#v: one key is %v", one, two, k1 == k2)
		}
	})
}

func TestSize(t *testing.T) {
	if n := sizeOf(&genai.ChatResponse{Message: genai.Assistant(strings.Repeat("x", 10000))}); n < 10000 || n > 11000 {
		t.Errorf("%d bytes", n)
	}
	blob := genai.NewBlob("image/png", make([]byte, 1<<20))
	if n := sizeOf(&genai.Images{Images: []genai.Image{{Blob: blob}}}); n < 1<<20 {
		t.Errorf("%d bytes", n)
	}
}
