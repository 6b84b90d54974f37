package openai

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

type imageBody struct {
	Model   string `json:"model,omitzero"`
	Prompt  string `json:"prompt"`
	N       *int   `json:"n,omitzero"`
	Size    string `json:"size,omitzero"`
	Quality string `json:"quality,omitzero"`
	Format  string `json:"output_format,omitzero"`
	User    string `json:"user,omitzero"`
}

// images is the answer as it is sent.
type images struct {
	Model  string
	Format string `json:"output_format"`
	Usage  json.RawMessage
	Data   []struct {
		Bytes     string `json:"b64_json"`
		URL       string
		Revised   string `json:"revised_prompt"`
		MediaType string `json:"mime_type"`
	}
}

// Paint makes pictures, or edits those that it is given. It is a [genai.Painter]. Pictures to edit must be given as bytes.
// The server decides whether its pictures come as bytes or as URLs, which live an hour at OpenAI.
func (c *Client) Paint(ctx context.Context, req *genai.ImageRequest) (*genai.Images, error) {
	return exchange.Dropping(c.Drop, req, func(req *genai.ImageRequest) (*genai.Images, error) { return c.paint(ctx, req) })
}

func (c *Client) paint(ctx context.Context, req *genai.ImageRequest) (*genai.Images, error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	x, err := c.begin("paint")
	if err != nil {
		return nil, err
	}
	if req == nil || req.Prompt == "" {
		return nil, x.Refuse(genai.InvalidRequest, "prompt", "it does not say what to paint")
	}
	b := imageBody{Model: req.Model, Prompt: req.Prompt, N: req.N, Size: req.Size, Quality: req.Quality, User: req.EndUser}
	if b.Model == "" {
		b.Model = c.Model
	}
	e := &exchange.Check{X: x.Exchange}
	switch bare(req.Format) {
	case "":
	case "image/png", "image/jpeg", "image/webp":
		b.Format = strings.TrimPrefix(bare(req.Format), "image/")
	default:
		e.Bad(genai.Unsupported, "format", "OpenAI paints image/png, image/jpeg and image/webp")
	}
	if req.Mask != nil && len(req.Sources) == 0 {
		e.Bad(genai.InvalidRequest, "mask", "it says where to edit, and there is nothing to be edited")
	}
	for i, source := range req.Sources {
		picture(e, source, fmt.Sprintf("sources[%d]", i))
	}
	if req.Mask != nil {
		picture(e, *req.Mask, "mask")
	}
	if e.Err != nil {
		return nil, e.Err
	}
	x.Texts = func(yield func(string)) { yield(req.Prompt); yield(req.EndUser) }
	var data []byte
	if len(req.Sources) > 0 {
		data, err = c.fetchForm(ctx, x, "/images/edits", editForm(b, req))
	} else {
		var body []byte
		if body, err = x.Body(b, nil); err == nil {
			data, err = c.fetch(ctx, x, "/images/generations", body)
		}
	}
	if err != nil {
		return nil, err
	}
	return x.images(data, req.Format)
}

// picture checks a picture that goes into a form.
func picture(e *exchange.Check, b genai.Blob, at string) {
	if b.URL() != "" {
		e.Bad(genai.Unsupported, at, "OpenAI edits pictures that are given as bytes")
		return
	}
	e.Bytes(b, at)
}

func editForm(b imageBody, req *genai.ImageRequest) *form {
	f := newForm()
	f.text("model", b.Model)
	f.text("prompt", b.Prompt)
	if b.N != nil {
		f.text("n", strconv.Itoa(*b.N))
	}
	f.text("size", b.Size)
	f.text("quality", b.Quality)
	f.text("output_format", b.Format)
	f.text("user", b.User)
	name := "image"
	if len(req.Sources) > 1 {
		name = "image[]"
	}
	for _, source := range req.Sources {
		f.file(name, source)
	}
	if req.Mask != nil {
		f.file("mask", *req.Mask)
	}
	return f
}

// images decodes an answer. asked is the media type that was asked for.
func (x ask) images(data []byte, asked string) (*genai.Images, error) {
	var in images
	if json.Unmarshal(data, &in) != nil {
		return nil, x.Misread(data)
	}
	out := &genai.Images{Model: in.Model}
	if in.Usage != nil {
		out.Usage = responseUsage(in.Usage)
	}
	for _, d := range in.Data {
		image := genai.Image{RevisedPrompt: d.Revised}
		switch {
		case d.Bytes != "":
			raw, err := base64.StdEncoding.DecodeString(d.Bytes)
			if err != nil {
				return nil, x.Fail(genai.Malformed, "a picture of the answer is not base64")
			}
			image.Blob = genai.NewBlob(imageType(d.MediaType, in.Format, raw, asked), raw)
		case d.URL != "":
			image.Blob = genai.BlobURL(imageType(d.MediaType, in.Format, nil, asked), d.URL, "")
		default:
			return nil, x.Fail(genai.Empty, "a picture of the answer is neither there nor at a URL")
		}
		out.Images = append(out.Images, image)
	}
	if len(out.Images) == 0 {
		return nil, x.Fail(genai.Empty, "the answer has no picture")
	}
	return out, nil
}

// imageType finds out what a picture is: what the server says, or else what its first bytes say, or what was asked for.
func imageType(said, format string, raw []byte, asked string) string {
	if said != "" {
		return said
	}
	if format != "" {
		return "image/" + format
	}
	if found := http.DetectContentType(raw); len(raw) > 0 && strings.HasPrefix(found, "image/") {
		return found
	}
	return bare(asked)
}
