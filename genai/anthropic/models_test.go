package anthropic_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

func models(s *genai.Stream[anthropic.Model], err error) (all []anthropic.Model, _ error) {
	if err != nil {
		return nil, err
	}
	for m, err := range s.All() {
		if err != nil {
			return all, err
		}
		all = append(all, m)
	}
	return all, nil
}

func TestRecordedModels(t *testing.T) {
	for _, r := range recordedtest.Load(t, "anthropic", "models") {
		got, err := models(client(r.Replay()).Models(t.Context()))
		if r.Status >= 300 {
			if !errors.Is(err, genai.Unauthenticated) {
				t.Error(err)
			}
			continue
		}
		if err != nil || len(got) < 5 {
			t.Fatal(got, err)
		}
		for _, m := range got {
			if m.ID == "" || m.Name == "" || m.Window < 100_000 || m.Longest < 4000 {
				t.Errorf("%+v", m)
			}
		}
	}
}

func TestModelsPages(t *testing.T) {
	recordedtest.CheckLeaks(t)
	var queries []string
	pages := handled(func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.RawQuery)
		switch r.URL.Query().Get("after_id") {
		case "":
			_, _ = io.WriteString(w, `{"data":[{"id":"a"},{"id":"b"}],"has_more":true,"last_id":"b"}`)
		case "b":
			_, _ = io.WriteString(w, `{"data":[{"id":"c"}],"has_more":false,"last_id":"c"}`)
		}
	})
	c := &anthropic.Client{BaseURL: "http://models.test/v1?beta=1", HTTP: &http.Client{Transport: pages}}
	got, err := models(c.Models(t.Context()))
	if err != nil || len(got) != 3 || got[2].ID != "c" || !slices.Equal(queries, []string{"beta=1&limit=1000", "beta=1&after_id=b&limit=1000"}) {
		t.Errorf("%+v, %v after %q", got, err, queries)
	}
	queries = nil
	stream, err := c.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range stream.All() {
		break
	}
	if len(queries) != 1 {
		t.Errorf("asked for %q", queries)
	}
	for body, kind := range map[string]genai.Kind{
		`{"data":[],"has_more":true}`:                         genai.Malformed,
		`{"data":[{"id":"a"}],"has_more":true,"last_id":"a"}`: genai.Malformed, // the same page for ever
		`{"data":[{}]}`:       genai.Malformed,
		`{}`:                  genai.Malformed,
		`{"data":[{"id":"a"}`: genai.Truncated,
		`{"type":"error","error":{"type":"permission_error"}}`: genai.PermissionDenied,
		`{"data":[]}`: "",
	} {
		c.HTTP.Transport = handled(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		if _, err := models(c.Models(t.Context())); genai.KindOf(err) != kind {
			t.Errorf("%s is %v", body, err)
		}
	}
}
