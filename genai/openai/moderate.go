package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

type moderationBody struct {
	Model string `json:"model,omitzero"`
	Input any    `json:"input"` // a string, or []part
}

// moderation is the answer as it is sent.
type moderation struct {
	Model   string
	Results []struct {
		Flagged    *bool
		Categories map[string]*bool   // some models have null for those that they do not know
		Scores     map[string]float64 `json:"category_scores"`
	}
}

// Moderate says whether a text, and the pictures with it, may go on. It is a [genai.Moderator]. The server has a model of its
// own for requests and clients that name none. A server that is asked about many pictures at once may refuse: each model
// takes so many.
func (c *Client) Moderate(ctx context.Context, req *genai.ModerationRequest) (*genai.Verdict, error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	x, err := c.begin("moderate")
	if err != nil {
		return nil, err
	}
	if req == nil || req.Text == "" && len(req.Images) == 0 {
		return nil, x.Refuse(genai.InvalidRequest, "text", "there is nothing to look at")
	}
	e := x.encoder(true)
	b := moderationBody{Model: req.Model, Input: req.Text}
	if b.Model == "" {
		b.Model = c.Model
	}
	if len(req.Images) > 0 {
		var parts []part
		if req.Text != "" {
			parts = append(parts, part{Type: "text", Text: req.Text})
		}
		for i, image := range req.Images {
			parts = append(parts, part{Type: "image_url", Image: &imageURL{e.url(image, fmt.Sprintf("images[%d]", i))}})
		}
		b.Input = parts
	}
	if e.Err != nil {
		return nil, e.Err
	}
	body, err := x.Body(b, nil)
	if err != nil {
		return nil, err
	}
	x.Texts = func(yield func(string)) { yield(req.Text) }
	data, err := c.fetch(ctx, x, "/moderations", body)
	if err != nil {
		return nil, err
	}
	var m moderation
	if json.Unmarshal(data, &m) != nil {
		return nil, x.Misread(data)
	}
	return x.verdict(m)
}

// verdict puts the results together: what is flagged in one of them is flagged. An answer that does not say so either way is
// no verdict, or else what nobody looked at would pass.
func (x ask) verdict(m moderation) (*genai.Verdict, error) {
	if len(m.Results) == 0 {
		return nil, x.Fail(genai.Empty, "the answer has no result")
	}
	v := &genai.Verdict{Policy: m.Model}
	found := map[string]*genai.Category{}
	at := func(name string) *genai.Category {
		if found[name] == nil {
			found[name] = &genai.Category{Name: name}
		}
		return found[name]
	}
	for _, r := range m.Results {
		if r.Flagged == nil {
			return nil, x.Fail(genai.Malformed, "a result of the answer does not say whether something was found")
		}
		v.Flagged = v.Flagged || *r.Flagged
		for name, flagged := range r.Categories {
			category := at(name)
			category.Flagged = category.Flagged || flagged != nil && *flagged
		}
		for name, score := range r.Scores {
			if category := at(name); category.Score == nil || *category.Score < score {
				category.Score = &score
			}
		}
	}
	var reasons []string
	for _, category := range found {
		v.Categories = append(v.Categories, *category)
		if category.Flagged {
			reasons = append(reasons, category.Name)
		}
	}
	slices.SortFunc(v.Categories, func(a, b genai.Category) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(reasons)
	v.Reason = strings.Join(reasons, ", ")
	return v, nil
}
