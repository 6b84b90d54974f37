package wiretest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/openai"
)

func TestNoNetwork(t *testing.T) {
	before := http.DefaultTransport
	t.Run("in a test", func(t *testing.T) {
		r := &recorder{TB: t}
		own := &http.Client{Transport: wiretest.NoNetwork(r)}
		server := &wiretest.Server{Chat: genaitest.Script(genaitest.Reply("a")).Chat}
		if _, err := openAI(t, server).Complete(t.Context(), ask("hi")); err != nil || len(r.failures) > 0 {
			t.Errorf("a server of the test: %v, %q", err, r.failures)
		}
		for i, c := range []*openai.Client{{Key: "key", Model: "m"}, {BaseURL: "http://192.0.2.1", HTTP: own}} {
			_, err := c.Complete(t.Context(), ask("hi"))
			if err == nil || genai.AsError(err).Started != genai.StartedNo {
				t.Errorf("client %d: %v", i+1, err)
			}
		}
		if len(r.failures) != 2 || !strings.Contains(r.failures[0], "api.openai.com:443") || !strings.Contains(r.failures[1], "192.0.2.1:80") {
			t.Errorf("%q", r.failures)
		}
	})
	if http.DefaultTransport != before {
		t.Error("the network stays away")
	}
}
