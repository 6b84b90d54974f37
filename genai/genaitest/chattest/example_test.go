package chattest_test

import (
	"testing"

	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/chattest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// This is the whole test of a client. Each check gets a client of a server of its own.
func ExampleRun() {
	_ = func(t *testing.T) {
		chattest.Run(t, func(t *testing.T, model *genaitest.Model) chattest.Client {
			server := &wiretest.Server{Chat: model.Chat, Complete: model.Complete}
			c := &openai.Client{Key: "any", HTTP: server.Client(t)}
			return chattest.Client{Chat: c.Chat, Complete: c.Complete}
		}, chattest.Except{"answers/refusal": "this provider has no word for it"})
	}
	// Output:
}
