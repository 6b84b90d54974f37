package openai

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

type speechBody struct {
	Model        string   `json:"model,omitzero"`
	Input        string   `json:"input"`
	Voice        string   `json:"voice,omitzero"`
	Instructions string   `json:"instructions,omitzero"`
	Format       string   `json:"response_format,omitzero"`
	Speed        *float64 `json:"speed,omitzero"`
}

// speechFormats are the names that the interface has for media types.
var speechFormats = map[string]string{
	"": "", "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/opus": "opus", "audio/ogg": "opus", "audio/aac": "aac",
	"audio/flac": "flac", "audio/x-flac": "flac", "audio/wav": "wav", "audio/x-wav": "wav", "audio/pcm": "pcm", "audio/l16": "pcm",
}

// soundPiece is the most that one piece of a recording has.
const soundPiece = 32 << 10

// Speak reads a text aloud. It is a [genai.Speaker]. The sound is handed on as it arrives; the default is audio/mpeg. Raw
// samples, audio/pcm, are 24000 a second at OpenAI, of 16 bits, little-endian, one channel.
func (c *Client) Speak(ctx context.Context, req *genai.SpeechRequest) (*genai.Stream[genai.SpeechChunk], error) {
	return exchange.Dropping(c.Drop, req, func(req *genai.SpeechRequest) (*genai.Stream[genai.SpeechChunk], error) { return c.speak(ctx, req) })
}

func (c *Client) speak(ctx context.Context, req *genai.SpeechRequest) (*genai.Stream[genai.SpeechChunk], error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	x, err := c.begin("speak")
	if err != nil {
		return nil, err
	}
	if req == nil || req.Text == "" {
		return nil, x.Refuse(genai.InvalidRequest, "text", "there is nothing to read")
	}
	b := speechBody{Model: req.Model, Input: req.Text, Voice: req.Voice, Instructions: req.Instructions, Speed: req.Speed}
	if b.Model == "" {
		b.Model = c.Model
	}
	e := &exchange.Check{X: x.Exchange}
	e.Number("speed", req.Speed)
	known := false
	if b.Format, known = speechFormats[bare(req.Format)]; !known {
		e.Bad(genai.Unsupported, "format", "OpenAI speaks audio/mpeg, audio/opus, audio/aac, audio/flac, audio/wav and audio/pcm")
	}
	if x.needsName {
		if b.Model == "" {
			e.Bad(genai.InvalidRequest, "model", "neither the request nor the client names a model")
		}
		if b.Voice == "" {
			e.Bad(genai.InvalidRequest, "voice", "OpenAI has no voice of its own choice")
		}
	}
	if e.Err != nil {
		return nil, e.Err
	}
	body, err := x.Body(b, nil)
	if err != nil {
		return nil, err
	}
	x.Texts = func(yield func(string)) { yield(req.Text); yield(req.Instructions) }
	inner, cancel := context.WithCancel(ctx)
	if err := c.post(inner, x, "/audio/speech", "*/*", body); err != nil {
		cancel()
		return nil, err
	}
	s := &sound{x: x, ctx: inner, mediaType: bare(req.Format)}
	return genai.NewStream(ctx, s.next, func() {
		cancel()
		_ = x.Resp.Body.Close() // there is nothing that its error could say
	})
}

// A sound is a recording that arrives.
type sound struct {
	x         ask
	ctx       context.Context
	mediaType string
	buffer    []byte
	begun     bool
	over      error
}

// next returns the next piece. It has bytes of its own: a piece may be kept.
func (s *sound) next() (genai.SpeechChunk, error) {
	if s.over != nil {
		return genai.SpeechChunk{}, s.over
	}
	if !s.begun {
		if err := s.begin(); err != nil {
			return genai.SpeechChunk{}, err
		}
		s.buffer = make([]byte, soundPiece)
	}
	for {
		n, err := s.x.Resp.Body.Read(s.buffer)
		switch {
		case err == io.EOF && n == 0 && !s.begun:
			return genai.SpeechChunk{}, s.x.Fail(genai.Empty, "the answer has no sound")
		case err == io.EOF:
			s.over = io.EOF
		case err != nil:
			s.over = s.x.Cut(s.ctx, err)
		}
		if n > 0 {
			s.begun = true
			return genai.SpeechChunk{Audio: genai.NewBlob(s.mediaType, bytes.Clone(s.buffer[:n]))}, nil
		}
		if s.over != nil {
			return genai.SpeechChunk{}, s.over
		}
	}
}

// begin looks at what the server says that its answer is. Something else than sound is a failure, which it may explain.
func (s *sound) begin() error {
	said := bare(s.x.Resp.Header.Get("Content-Type"))
	switch {
	case strings.HasPrefix(said, "audio/"):
		s.mediaType = said
	case said == "text/html":
		return s.x.WebPage()
	case strings.HasSuffix(said, "json"):
		if _, err := s.x.object(s.ctx); err != nil {
			return err
		}
		return s.x.Fail(genai.Malformed, "the answer is a document and no sound")
	case strings.HasPrefix(said, "text/"):
		return s.x.Fail(genai.Malformed, "the answer is text and no sound")
	case s.mediaType == "":
		s.mediaType = "audio/mpeg" // what the interface answers with by default
	}
	return nil
}
