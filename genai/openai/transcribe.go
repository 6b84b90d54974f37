package openai

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// transcript is the answer as it is sent.
type transcript struct {
	Text     *string
	Language string
	Duration json.Number // in seconds; some send it as text
	Segments []struct {
		Start, End float64
		Text       string
		Speaker    string
	}
	Usage json.RawMessage
}

// Transcribe writes down what is said in a recording. It is a [genai.Transcriber]. The recording must be given as bytes, with
// its media type.
//
// How much there is besides the text depends on the model: Whisper says when and in which language, models that tell
// speakers apart say when and who, and the others say no more than the text.
func (c *Client) Transcribe(ctx context.Context, req *genai.TranscribeRequest) (*genai.Transcript, error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	x, err := c.begin("transcribe")
	if err != nil {
		return nil, err
	}
	if req == nil {
		return nil, x.Refuse(genai.InvalidRequest, "audio", "there is no recording")
	}
	model := req.Model
	if model == "" {
		model = c.Model
	}
	e := &exchange.Check{X: x.Exchange}
	if model == "" && x.needsName {
		e.Bad(genai.InvalidRequest, "model", "neither the request nor the client names a model")
	}
	if req.Audio.URL() != "" {
		e.Bad(genai.Unsupported, "audio", "OpenAI takes a recording as bytes and not as a URL")
	} else {
		e.Bytes(req.Audio, "audio")
	}
	e.Number("temperature", req.Temperature)
	if e.Err != nil {
		return nil, e.Err
	}
	f := newForm()
	f.text("model", model)
	f.text("language", req.Language)
	f.text("prompt", req.Prompt)
	f.number("temperature", req.Temperature)
	switch name := strings.ToLower(model); {
	case strings.Contains(name, "whisper"):
		f.text("response_format", "verbose_json")
	case strings.Contains(name, "diarize"):
		f.text("response_format", "diarized_json")
		f.text("chunking_strategy", "auto") // without it longer recordings are refused
	default:
		f.text("response_format", "json")
	}
	f.file("file", req.Audio)
	x.Texts = func(yield func(string)) { yield(req.Prompt) }
	data, err := c.fetchForm(ctx, x, "/audio/transcriptions", f)
	if err != nil {
		return nil, err
	}
	return x.transcript(data)
}

func (x ask) transcript(data []byte) (*genai.Transcript, error) {
	var in transcript
	if json.Unmarshal(data, &in) != nil {
		return nil, x.Misread(data)
	}
	if in.Text == nil {
		return nil, x.Fail(genai.Empty, "the answer has no text, not even an empty one")
	}
	length, _ := in.Duration.Float64() // what is no number is not known
	out := &genai.Transcript{Text: *in.Text, Language: in.Language, Duration: seconds(length)}
	for _, s := range in.Segments {
		out.Segments = append(out.Segments, genai.Segment{Start: seconds(s.Start), End: seconds(s.End), Text: s.Text, Speaker: s.Speaker})
	}
	if in.Usage != nil {
		out.Usage = responseUsage(in.Usage)
		var billed struct{ Seconds float64 }
		if out.Duration == 0 && json.Unmarshal(in.Usage, &billed) == nil {
			out.Duration = seconds(billed.Seconds)
		}
	}
	return out, nil
}

// seconds returns a time in a recording, to the millisecond: servers count in floating point.
func seconds(s float64) time.Duration {
	if s > 0 && s < math.MaxInt32 {
		return time.Duration(math.Round(s*1000)) * time.Millisecond
	}
	return 0
}
