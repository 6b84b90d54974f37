package observe

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/dovetail-go/dovetail/genai"
)

// A subject is what a request is about.
type subject struct{ operation, model string }

// about returns the zero subject for requests that are not of a model.
func (m *Model) about(req any) subject {
	var s subject
	switch r := req.(type) {
	case *genai.ChatRequest:
		if r != nil {
			s = subject{m.Operation, r.Model}
			if s.operation == "" {
				s.operation = opChat
			}
		}
	case *genai.EmbedRequest:
		if r != nil {
			s = subject{opEmbed, r.Model}
		}
	case *genai.ImageRequest:
		if r != nil {
			s = subject{opImage, r.Model}
		}
	case *genai.SpeechRequest:
		if r != nil {
			s = subject{opSpeech, r.Model}
		}
	case *genai.TranscribeRequest:
		if r != nil {
			s = subject{opTranscribe, r.Model}
		}
	case *genai.ModerationRequest:
		if r != nil {
			s = subject{opModerate, r.Model}
		}
	case *genai.RerankRequest:
		if r != nil {
			s = subject{opRerank, r.Model}
		}
	}
	if s.model == "" {
		s.model = m.Name
	}
	return s
}

// base returns the attributes that samplers see and that metrics share.
func (m *Model) base(s subject) []attribute.KeyValue {
	provider := m.Provider
	if provider == "" {
		provider = "unknown"
	}
	attrs := make([]attribute.KeyValue, 0, 5)
	attrs = append(attrs, attribute.String(keyOperation, s.operation), attribute.String(keyProvider, provider))
	if s.model != "" {
		attrs = append(attrs, attribute.String(keyRequestModel, s.model))
	}
	if m.Address != "" {
		attrs = append(attrs, attribute.String(keyServerAddress, m.Address))
		if m.Port != 0 {
			attrs = append(attrs, attribute.Int(keyServerPort, m.Port))
		}
	}
	return attrs
}

// details returns the other attributes of a request: how it was asked, and never what.
func (m *Model) details(req any) []attribute.KeyValue {
	var attrs list
	switch r := req.(type) {
	case *genai.ChatRequest:
		attrs.float(keyTemperature, r.Temperature)
		attrs.float(keyTopP, r.TopP)
		attrs.int(keyTopK, r.TopK)
		attrs.int(keyMaxTokens, r.MaxTokens)
		attrs.float(keyFrequencyPenalty, r.FrequencyPenalty)
		attrs.float(keyPresencePenalty, r.PresencePenalty)
		if len(r.Stop) > 0 {
			attrs = append(attrs, attribute.StringSlice(keyStopSequences, r.Stop))
		}
		if r.Seed != nil {
			attrs = append(attrs, attribute.Int64(keySeed, *r.Seed))
		}
		if r.Format != nil {
			attrs.string(keyOutputType, "json")
		}
		if m.Provider == "openai" {
			attrs.string(keyServiceTier, r.ServiceTier)
		}
	case *genai.EmbedRequest:
		attrs.int(keyDimensions, r.Dimensions)
	case *genai.ImageRequest:
		attrs.string(keyOutputType, "image")
		if r.N != nil && *r.N != 1 {
			attrs.int(keyChoiceCount, r.N)
		}
	case *genai.SpeechRequest:
		attrs.string(keyOutputType, "speech")
	case *genai.TranscribeRequest:
		attrs.string(keyOutputType, "text")
		attrs.float(keyTemperature, r.Temperature)
	}
	return attrs
}

// A list is attributes; those that are unset are not added.
type list []attribute.KeyValue

func (l *list) string(key, value string) {
	if value != "" {
		*l = append(*l, attribute.String(key, value))
	}
}

func (l *list) int(key string, value *int) {
	if value != nil {
		*l = append(*l, attribute.Int(key, *value))
	}
}

func (l *list) float(key string, value *float64) {
	if value != nil {
		*l = append(*l, attribute.Float64(key, *value))
	}
}

// An answer is what is known about a response.
type answer struct {
	id, model string
	finish    genai.Finish
	usage     *genai.Usage
	generates bool // output is counted in tokens
}

// whole takes note of a response that is an ordinary value.
func (a *answer) whole(resp any) {
	switch r := resp.(type) {
	case *genai.ChatResponse:
		if r != nil {
			*a = answer{r.ID, r.Model, r.Finish, r.Usage, true}
		}
	case *genai.Embeddings:
		if r != nil {
			*a = answer{model: r.Model, usage: r.Usage}
		}
	case *genai.Images:
		if r != nil {
			*a = answer{model: r.Model, usage: r.Usage, generates: true}
		}
	case *genai.Transcript:
		if r != nil {
			*a = answer{usage: r.Usage, generates: true}
		}
	case *genai.Ranking:
		if r != nil {
			*a = answer{model: r.Model, usage: r.Usage}
		}
	}
}

// add takes note of a piece of a response, and reports whether it is a real one.
func (a *answer) add(piece any) bool {
	switch p := piece.(type) {
	case *genai.ChatEvent:
		a.generates = true
		if p.Start != nil {
			a.id, a.model = p.Start.ID, p.Start.Model
		}
		if p.Finish != nil {
			a.finish = *p.Finish
		}
		a.count(p.Usage)
		return !p.Preamble()
	case *genai.SpeechChunk:
		a.generates = true
		a.count(p.Usage)
		return !p.Preamble()
	}
	return true
}

// count copies: the consumer of a stream may do with its pieces what it likes.
func (a *answer) count(u *genai.Usage) {
	if u != nil {
		a.usage = new(*u)
	}
}

func (a *answer) modelAttr() []attribute.KeyValue {
	if a.model == "" {
		return nil
	}
	return []attribute.KeyValue{attribute.String(keyResponseModel, a.model)}
}

// attributes returns what a span says about a response.
func (a *answer) attributes() []attribute.KeyValue {
	var attrs list
	attrs.string(keyResponseID, a.id)
	attrs.string(keyResponseModel, a.model)
	if reason := string(a.finish.Reason); reason != "" {
		if a.finish.Reason == genai.FinishOther && a.finish.Raw != "" {
			reason = a.finish.Raw
		}
		attrs = append(attrs, attribute.StringSlice(keyFinishReasons, []string{reason}))
	}
	u := a.usage
	if u == nil {
		return attrs
	}
	attrs = append(attrs, attribute.Int(keyInputTokens, u.Input))
	if a.generates || u.Output > 0 {
		attrs = append(attrs, attribute.Int(keyOutputTokens, u.Output))
	}
	for _, part := range []struct {
		key string
		n   int
	}{{keyCacheRead, u.CacheRead}, {keyCacheCreation, u.CacheWrite}, {keyReasoningTokens, u.Reasoning}} {
		if part.n > 0 {
			attrs = append(attrs, attribute.Int(part.key, part.n))
		}
	}
	if u.LowerBound {
		attrs = append(attrs, attribute.Bool(keyLowerBound, true))
	}
	return attrs
}
