package openai

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// A form is a request whose body has files in it. Writing to memory does not fail, so nothing here reports an error.
type form struct {
	body   bytes.Buffer
	writer *multipart.Writer
}

func newForm() *form {
	f := &form{}
	f.writer = multipart.NewWriter(&f.body)
	return f
}

// text adds a field, unless it is empty.
func (f *form) text(name, value string) {
	if value != "" {
		_ = f.writer.WriteField(name, value)
	}
}

// number adds a field, unless it is nil.
func (f *form) number(name string, value *float64) {
	if value != nil {
		f.text(name, strconv.FormatFloat(*value, 'g', -1, 64))
	}
}

// file adds a file. Servers tell what it is by the ending of its name, so it gets the one that its media type has.
func (f *form) file(name string, b genai.Blob) {
	part, _ := f.writer.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="` + name + `"; filename="file` + endingOf(b.MediaType()) + `"`},
		"Content-Type":        {strings.NewReplacer("\r", "", "\n", "").Replace(b.MediaType())},
	})
	_, _ = part.Write(b.Bytes())
}

// fetchForm is fetch for a form.
func (c *Client) fetchForm(ctx context.Context, x ask, path string, f *form) ([]byte, error) {
	_ = f.writer.Close()
	h := http.Header{"Accept": {"application/json"}, "Content-Type": {f.writer.FormDataContentType()}}
	if err := c.send(ctx, x, path, h, f.body.Bytes()); err != nil {
		return nil, err
	}
	return x.object(ctx)
}

// endings are the file name endings of the media types that these interfaces take. The table of the system differs from
// machine to machine.
var endings = map[string]string{
	"audio/mpeg": ".mp3", "audio/mp3": ".mp3", "audio/mp4": ".m4a", "audio/x-m4a": ".m4a", "audio/m4a": ".m4a", "audio/mpga": ".mpga",
	"audio/wav": ".wav", "audio/x-wav": ".wav", "audio/wave": ".wav", "audio/vnd.wave": ".wav", "audio/webm": ".webm",
	"audio/ogg": ".ogg", "audio/opus": ".ogg", "audio/flac": ".flac", "audio/x-flac": ".flac", "audio/aac": ".aac",
	"video/mp4": ".mp4", "video/webm": ".webm", "video/mpeg": ".mpeg",
	"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/gif": ".gif",
}

func endingOf(mediaType string) string { return endings[bare(mediaType)] }

// bare returns a media type without its parameters.
func bare(mediaType string) string {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	return strings.ToLower(strings.TrimSpace(mediaType))
}
