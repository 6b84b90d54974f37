package genai

// Moderator is a check that stands apart from the model: it says whether a text may go on, and in what form.
type Moderator = Handler[*ModerationRequest, *Verdict]

// A ModerationRequest asks for a verdict on a text, and on pictures that go with it.
type ModerationRequest struct {
	Model  string `json:"model,omitzero"` // empty: the model that the client was configured with
	Text   string `json:"text"`
	Images []Blob `json:"images,omitzero"`
}

// A Verdict is the answer of a check. A check that failed gives an error and no Verdict, which is not a pass.
type Verdict struct {
	Flagged    bool       `json:"flagged"`             // it must not go on
	Reason     string     `json:"reason,omitzero"`     // for people: why not, or what was changed
	Redacted   *string    `json:"redacted,omitzero"`   // the text to go on with instead; nil: as it is
	Categories []Category `json:"categories,omitzero"` // what was looked for and found
	Policy     string     `json:"policy,omitzero"`     // the version of the rules
}

// A Category is one thing that a check looks for.
type Category struct {
	Name    string   `json:"name"` // as the provider calls it
	Flagged bool     `json:"flagged"`
	Score   *float64 `json:"score,omitzero"` // from 0 to 1; nil: there is none
}
