package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/examples/supportdesk/answers"
	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/examples/supportdesk/desk"
	"github.com/dovetail-go/dovetail/examples/supportdesk/knowledge"
	"github.com/dovetail-go/dovetail/examples/supportdesk/moderation"
	"github.com/dovetail-go/dovetail/examples/supportdesk/retrieval"
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/resilience"
	"github.com/dovetail-go/dovetail/transport"
)

// A system is the services that live in this process.
type system struct {
	*transport.Switch
	knowledge string // folder; "" is the user guide
	getenv    func(string) string
	progress  io.Writer
}

// serve makes the services that live here, and puts them on the switch. It returns the pages of the desk, or nil if the
// desk is elsewhere. What a service needs is dialled in its name, wherever it lives: that says in every process who may call what.
func (s *system) serve(ctx context.Context) (http.Handler, error) {
	asDesk := s.As("desk")
	d := &desk.Desk{
		Moderate: contract.Moderate.Dial(asDesk),
		Search:   contract.Search.Dial(asDesk),
		Answer:   contract.Answer.Dial(asDesk),
		// It is outermost, so its number is that of all attempts at an answer: with the models, and the one of the offline model.
		Again: &resilience.Retry{Attempts: 6, Retryable: desk.Lost},
	}
	health := contract.Health.Dial(asDesk)
	if s.Hosts("moderation") {
		contract.Moderate.Serve(s, moderation.Check)
	}
	if s.Hosts("retrieval") {
		index, err := s.index(ctx)
		if err != nil {
			return nil, err
		}
		contract.Search.Serve(s, index.Search)
	}
	if s.Hosts("answers") {
		providers, err := s.providers()
		if err != nil {
			return nil, err
		}
		models := answers.New(providers...)
		contract.Answer.Serve(s, models.Chat)
		contract.Health.Serve(s, models.Health)
	}
	if !s.Hosts("desk") {
		return nil, nil
	}
	contract.Ask.Serve(s, d.Ask)
	return desk.Pages(health), nil
}

// index reads the knowledge base and says how far it is.
func (s *system) index(ctx context.Context) (*retrieval.Index, error) {
	var folder fs.FS = knowledge.Files
	if s.knowledge != "" {
		folder = os.DirFS(s.knowledge)
	}
	index, err := retrieval.NewIndex(ctx, folder, nil, func(done, of int) {
		fmt.Fprintf(s.progress, "\rReading the knowledge base: %d of %d passages", done, of)
		if done == of {
			fmt.Fprintln(s.progress)
		}
	})
	if err != nil && s.knowledge != "" {
		e := *genai.AsError(err)
		e.Field = "-knowledge"
		return nil, &e
	}
	return index, err
}

// providers returns the models that the environment names; none means the offline model alone.
func (s *system) providers() ([]answers.Provider, error) {
	base, key, model := s.getenv("OPENAI_BASE_URL"), s.getenv("OPENAI_API_KEY"), s.getenv("OPENAI_MODEL")
	switch {
	case base == "" && key == "":
		return nil, nil
	case model == "":
		return nil, &genai.Error{Kind: genai.InvalidRequest, Field: "OPENAI_MODEL",
			Message: "there is a provider, but no model: say which one it is to use"}
	}
	var providers []answers.Provider
	for name := range strings.SplitSeq(model, ",") {
		name = strings.TrimSpace(name)
		if name == "" || slices.ContainsFunc(providers, func(p answers.Provider) bool { return p.Name == name }) {
			return nil, &genai.Error{Kind: genai.InvalidRequest, Field: "OPENAI_MODEL",
				Message: "models are separated by commas, and each has a name of its own"}
		}
		client := &openai.Client{BaseURL: base, Key: key, Model: name}
		providers = append(providers, answers.Provider{Name: name, Chat: client.Chat})
	}
	return providers, nil
}
