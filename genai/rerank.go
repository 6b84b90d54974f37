package genai

// Ranker is a model that sorts documents by how well they answer a query.
type Ranker = Handler[*RerankRequest, *Ranking]

// A RerankRequest asks for documents to be sorted.
type RerankRequest struct {
	Model     string   `json:"model,omitzero"` // empty: the model that the client was configured with
	Query     string   `json:"query"`
	Documents []string `json:"documents,omitzero"`
	Top       *int     `json:"top,omitzero"` // how many to return; nil: all
}

// A Ranking is the result, the best document first.
type Ranking struct {
	Model   string   `json:"model,omitzero"`
	Results []Ranked `json:"results,omitzero"`
	Usage   *Usage   `json:"usage,omitzero"`
}

// Ranked is the place of one document.
type Ranked struct {
	Index int     `json:"index"` // into Documents of the request
	Score float64 `json:"score"` // the higher the better; comparable within one Ranking only
}
