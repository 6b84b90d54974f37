package chattest_test

import (
	"testing"

	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/chattest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// TestModel: the scripted model itself is a client without a wire.
func TestModel(t *testing.T) {
	chattest.Run(t, func(t *testing.T, model *genaitest.Model) chattest.Client {
		return chattest.Client{Chat: model.Chat, Complete: model.Complete}
	}, chattest.Except{
		"failures/quoted prompt":     "a scripted failure is handed on as it is",
		"failures/nothing to answer": "a script answers anything",
		"leaving/before the call":    "the model notes the call, and does nothing",
	})
}

func TestResponses(t *testing.T) {
	for name, fault := range map[string]wiretest.Fault{"plain": {}, "sliced": {Slice: 7}} {
		t.Run(name, func(t *testing.T) {
			chattest.Run(t, func(t *testing.T, model *genaitest.Model) chattest.Client {
				server := &wiretest.Server{Chat: model.Chat, Complete: model.Complete, Faults: []wiretest.Fault{fault, fault}}
				c := &openai.Client{Key: "key", HTTP: server.Client(t)}
				return chattest.Client{Chat: c.Responses, Complete: c.Respond}
			}, chattest.Except{"requests/stop": "this interface has no such setting"})
		})
	}
}

func TestOpenAI(t *testing.T) {
	for name, fault := range map[string]wiretest.Fault{"plain": {}, "sliced": {Slice: 7}} {
		t.Run(name, func(t *testing.T) {
			chattest.Run(t, func(t *testing.T, model *genaitest.Model) chattest.Client {
				server := &wiretest.Server{Chat: model.Chat, Complete: model.Complete, Faults: []wiretest.Fault{fault, fault}}
				c := &openai.Client{Key: "key", HTTP: server.Client(t)}
				return chattest.Client{Chat: c.Chat, Complete: c.Complete}
			})
		})
	}
}
