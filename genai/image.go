package genai

// Painter is a model that makes or edits pictures.
type Painter = Handler[*ImageRequest, *Images]

// An ImageRequest asks for pictures. With Sources it asks to edit them.
type ImageRequest struct {
	Model   string `json:"model,omitzero"` // empty: the model that the client was configured with
	Prompt  string `json:"prompt"`
	Sources []Blob `json:"sources,omitzero"` // pictures to start from
	Mask    *Blob  `json:"mask,omitzero"`    // where to edit: its transparent places
	N       *int   `json:"n,omitzero"`       // how many; nil: one
	Size    string `json:"size,omitzero"`    // such as "1024x1024"; empty: the provider's default
	Quality string `json:"quality,omitzero"` // the provider's word for it
	Format  string `json:"format,omitzero"`  // media type, such as "image/png"; empty: the provider's default
	EndUser string `json:"end_user,omitzero"`
}

// Images holds the pictures that were made.
type Images struct {
	Model  string  `json:"model,omitzero"`
	Images []Image `json:"images,omitzero"`
	Usage  *Usage  `json:"usage,omitzero"` // nil: the provider did not say
}

// An Image is one picture.
type Image struct {
	Blob          Blob   `json:"blob"`                    // a URL of a provider may be short-lived: fetch it soon
	RevisedPrompt string `json:"revised_prompt,omitzero"` // what the provider made of the prompt
}
