package genai

// Speaker is a model that reads a text aloud. Its answer can be played while it arrives.
type Speaker = Handler[*SpeechRequest, *Stream[SpeechChunk]]

// A SpeechRequest asks for a text to be spoken.
type SpeechRequest struct {
	Model        string   `json:"model,omitzero"` // empty: the model that the client was configured with
	Text         string   `json:"text"`
	Voice        string   `json:"voice,omitzero"`        // the provider's name of the voice
	Instructions string   `json:"instructions,omitzero"` // how to speak
	Format       string   `json:"format,omitzero"`       // media type, such as "audio/mpeg"; empty: the provider's default
	Speed        *float64 `json:"speed,omitzero"`        // 1 is normal
}

// A SpeechChunk is a piece of audio. The pieces put end to end are one file of the media type of the first.
type SpeechChunk struct {
	Audio Blob   `json:"audio,omitzero"`
	Usage *Usage `json:"usage,omitzero"`
}

// Preamble reports whether the chunk holds no sound.
func (c SpeechChunk) Preamble() bool { return c.Audio.Len() == 0 }
