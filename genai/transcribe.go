package genai

import "time"

// Transcriber is a model that writes down what is said in a recording.
type Transcriber = Handler[*TranscribeRequest, *Transcript]

// A TranscribeRequest asks for the text of a recording.
type TranscribeRequest struct {
	Model       string   `json:"model,omitzero"` // empty: the model that the client was configured with
	Audio       Blob     `json:"audio"`
	Language    string   `json:"language,omitzero"` // ISO 639-1, such as "en"; empty: to be found out
	Prompt      string   `json:"prompt,omitzero"`   // words and names that may occur
	Temperature *float64 `json:"temperature,omitzero"`
}

// A Transcript is the text of a recording.
type Transcript struct {
	Text     string        `json:"text"`
	Language string        `json:"language,omitzero"`
	Duration time.Duration `json:"duration,omitzero"` // of the recording; 0 if the provider did not say
	Segments []Segment     `json:"segments,omitzero"` // nil: the provider did not split it
	Usage    *Usage        `json:"usage,omitzero"`
}

// A Segment is a stretch of a Transcript. Times count from the start of the recording.
type Segment struct {
	Start   time.Duration `json:"start"`
	End     time.Duration `json:"end"`
	Text    string        `json:"text"`
	Speaker string        `json:"speaker,omitzero"`
}
