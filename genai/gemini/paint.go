package gemini

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// Paint makes a picture, or edits those that it is given, with a model that answers in pictures, such as
// "gemini-2.5-flash-image". It is a [genai.Painter].
//
// Size is the relation of width to height ("16:9"), how large the picture is ("512", "1K", "2K", "4K"), or both with a space
// between them; of sizes in pixels there are the squares "512x512", "1024x1024", "2048x2048" and "4096x4096". Not every model
// has them all. More than one picture, a mask, a quality and a format are Unsupported. What a model sketches while it thinks is
// left out.
func (c *Client) Paint(ctx context.Context, req *genai.ImageRequest) (*genai.Images, error) {
	return exchange.Dropping(c.Drop, req, func(req *genai.ImageRequest) (*genai.Images, error) { return c.paint(ctx, req) })
}

func (c *Client) paint(ctx context.Context, req *genai.ImageRequest) (*genai.Images, error) {
	x, err := c.begin(ctx, "paint")
	if err != nil {
		return nil, err
	}
	if req == nil || req.Prompt == "" {
		return nil, x.Refuse(genai.InvalidRequest, "prompt", "it does not say what to paint")
	}
	e := &encoder{Check: exchange.Check{X: x, Provider: "Gemini"}}
	model := e.Model(req.Model, c.Model)
	e.Lacks("n", req.N != nil && *req.N != 1)
	e.Lacks("mask", req.Mask != nil)
	e.Lacks("quality", req.Quality != "")
	e.Lacks("format", req.Format != "")
	e.Lacks("end_user", req.EndUser != "")
	parts := []any{part{Text: &req.Prompt}}
	for i, source := range req.Sources {
		var is part
		e.media(&is, source, fmt.Sprintf("sources[%d]", i))
		parts = append(parts, is)
	}
	options := map[string]any{"responseModalities": []string{"IMAGE"}}
	if size := e.size(req.Size); len(size) > 0 {
		options["imageConfig"] = size
	}
	if e.Err != nil {
		return nil, e.Err
	}
	body, err := x.Body(chatBody{Contents: []content{{"user", parts}}, Options: options}, nil)
	if err != nil {
		return nil, err
	}
	x.Texts = func(yield func(string)) { yield(req.Prompt) }
	if err := c.post(ctx, x, model, "generateContent", "application/json", body); err != nil {
		return nil, err
	}
	data, err := x.Document(ctx)
	if err != nil {
		return nil, err
	}
	return pictures(ctx, x, data)
}

// size translates what a picture is to measure.
func (e *encoder) size(size string) map[string]string {
	if size == "" {
		return nil
	}
	is := map[string]string{}
	for word := range strings.FieldsSeq(size) {
		switch {
		case strings.Count(word, ":") == 1:
			is["aspectRatio"] = word
		case slices.Contains([]string{"512", "1K", "2K", "4K"}, word):
			is["imageSize"] = word
		case word == "1024x1024": // what every model does by itself; older ones know no sizes
			is["aspectRatio"] = "1:1"
		case word == "512x512":
			is["aspectRatio"], is["imageSize"] = "1:1", "512"
		case word == "2048x2048":
			is["aspectRatio"], is["imageSize"] = "1:1", "2K"
		case word == "4096x4096":
			is["aspectRatio"], is["imageSize"] = "1:1", "4K"
		default:
			e.Bad(genai.Unsupported, "size", `Gemini has relations such as "16:9" and sizes such as "2K"; of sizes in pixels it has squares only`)
		}
	}
	return is
}

// pictures takes the pictures out of an answer.
func pictures(ctx context.Context, x *exchange.Exchange, data []byte) (*genai.Images, error) {
	var d document
	if len(data) > 0 && data[0] == '[' { // nobody answers with an array, but some send errors in one
		return nil, x.Problem(data)
	}
	if err := d.decode(data, true); err != nil {
		return nil, x.Cut(ctx, err)
	}
	if d.failed {
		return nil, x.Problem(data)
	}
	out := &genai.Images{Model: d.model}
	if d.hasUsage {
		out.Usage = &genai.Usage{Input: d.input + d.tools, Output: d.output + d.spent, CacheRead: d.cached, Reasoning: d.spent}
	}
	for i := range d.parts {
		if d.parts[i].thought || !d.parts[i].other {
			continue
		}
		var p struct {
			Data *struct {
				MediaType string `json:"mimeType"`
				Data      string
			} `json:"inlineData"`
			File *fileData `json:"fileData"`
		}
		if json.Unmarshal(d.parts[i].raw, &p) != nil {
			return nil, x.Fail(genai.Malformed, "a part of the answer is not what this interface answers with")
		}
		switch {
		case p.Data != nil:
			raw, err := base64.StdEncoding.DecodeString(p.Data.Data)
			if err != nil || len(raw) == 0 {
				return nil, x.Fail(genai.Malformed, "a picture of the answer is not written in base64")
			}
			out.Images = append(out.Images, genai.Image{Blob: genai.NewBlob(p.Data.MediaType, raw)})
		case p.File != nil && p.File.URI != "":
			out.Images = append(out.Images, genai.Image{Blob: genai.BlobURL(p.File.MediaType, p.File.URI, "")})
		}
	}
	if len(out.Images) > 0 {
		return out, nil
	}
	return nil, unpainted(x, &d)
}

// unpainted makes an Error of an answer without a picture.
func unpainted(x *exchange.Exchange, d *document) error {
	word, kind, message := d.reason, genai.Empty, "the answer has no picture"
	broke, ok := broken(d.reason)
	switch {
	case d.blocked != "":
		word, kind, message = d.blocked, genai.ContentFiltered, "the provider refuses the prompt"
	case reasonOf(d.reason, false) == genai.FinishFiltered:
		kind, message = genai.ContentFiltered, "the provider withholds the picture"
	case ok:
		kind, message = broke, "the model did not answer as it must"
	}
	e := x.Fail(kind, message)
	e.Code = exchange.Clip(word, 100)
	return e
}
