package genai

// Embedder is a model that turns texts into vectors.
type Embedder = Handler[*EmbedRequest, *Embeddings]

// An EmbedRequest asks for one vector for each text.
type EmbedRequest struct {
	Model      string   `json:"model,omitzero"` // empty: the model that the client was configured with
	Input      []string `json:"input,omitzero"`
	Dimensions *int     `json:"dimensions,omitzero"` // nil: as many as the model makes
	Task       string   `json:"task,omitzero"`       // what the vectors are for, where a provider asks: "query", "document"
	EndUser    string   `json:"end_user,omitzero"`   // a stable, anonymous name of the person, for abuse checks
}

// Embeddings holds the vectors, in the order of the texts. Vectors of different models cannot be compared.
type Embeddings struct {
	Model   string      `json:"model,omitzero"` // the model that really answered
	Vectors [][]float32 `json:"vectors,omitzero"`
	Usage   *Usage      `json:"usage,omitzero"` // nil: the provider did not say
}
