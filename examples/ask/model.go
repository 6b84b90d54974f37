package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/resilience"
)

// split takes the name of a model apart: what stands before the first colon is the provider.
func split(name string) (provider, model string) {
	provider, model, _ = strings.Cut(name, ":")
	return provider, model
}

// open returns the model of a name. Keys come from the environment alone, where other people on the machine do not see them.
func open(name string, getenv func(string) string) (genai.Chat, error) {
	provider, model := split(name)
	if model == "" && provider != "offline" {
		return nil, fmt.Errorf("-model %s: say which model, as in openai:gpt-5-mini", name)
	}
	switch provider {
	case "openai":
		base, key := getenv("OPENAI_BASE_URL"), getenv("OPENAI_API_KEY")
		if base == "" && key == "" {
			return nil, missing("OPENAI_API_KEY", "OPENAI_BASE_URL")
		}
		return (&openai.Client{BaseURL: base, Key: key, Model: model}).Chat, nil
	case "anthropic":
		base, key := getenv("ANTHROPIC_BASE_URL"), getenv("ANTHROPIC_API_KEY")
		if base == "" && key == "" {
			return nil, missing("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
		}
		return (&anthropic.Client{BaseURL: base, Key: key, Model: model}).Chat, nil
	case "gemini":
		base, key := getenv("GEMINI_BASE_URL"), cmp.Or(getenv("GEMINI_API_KEY"), getenv("GOOGLE_API_KEY"))
		if base == "" && key == "" {
			return nil, missing("GEMINI_API_KEY", "GEMINI_BASE_URL")
		}
		return (&gemini.Client{BaseURL: base, Key: key, Model: model}).Chat, nil
	case "ollama":
		base := getenv("OLLAMA_HOST")
		if base != "" && !strings.Contains(base, "://") {
			base = "http://" + base // as Ollama's own command takes it
		}
		return (&ollama.Client{BaseURL: base, Key: getenv("OLLAMA_API_KEY"), Model: model}).Chat, nil
	case "offline":
		return offline, nil
	}
	return nil, fmt.Errorf("-model %s: there is no provider %q; there are openai, anthropic, gemini, ollama and offline", name, provider)
}

func missing(key, base string) error {
	return fmt.Errorf("%s is not set: the provider wants a key (or set %s to a server that wants none)", key, base)
}

// guard is what a single question needs: it waits for a slow model and repeats what may be repeated, and when somebody sits in
// front of it there is no need for more.
func guard(chat genai.Chat) genai.Chat {
	return genai.With(chat, &resilience.Stack{
		Retry:    &resilience.Retry{},
		Timeouts: &resilience.Timeouts{FirstToken: 5 * time.Minute, Idle: time.Minute},
	})
}
