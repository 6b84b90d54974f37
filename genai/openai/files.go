package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// A File is a file that the server keeps.
type File struct {
	ID      string    `json:"id"`
	Name    string    `json:"name,omitzero"`
	Purpose string    `json:"purpose,omitzero"` // what it may be used for: "batch", "batch_output", "fine-tune", ...
	Size    int64     `json:"size,omitzero"`    // bytes
	Created time.Time `json:"created,omitzero"`
	Expires time.Time `json:"expires,omitzero"` // when the server deletes it; zero: it did not say
}

// An Upload is a file on its way to the server.
type Upload struct {
	Name    string        // the server looks at its ending: training data and batches are ".jsonl"
	Purpose string        // "batch", "fine-tune", "user_data", ...
	Body    io.Reader     // read once, while it is sent
	Size    int64         // bytes that Body has; 0: not known, and it is sent in chunks, which not every server takes
	Expires time.Duration // how long the server is to keep it, in whole seconds; 0 leaves that to the server
}

// fileObject is a file as it is sent.
type fileObject struct {
	ID       string
	Filename string
	Purpose  string
	Bytes    int64
	Created  int64 `json:"created_at"`
	Expires  int64 `json:"expires_at"`
}

func (f fileObject) file() File {
	return File{f.ID, f.Filename, f.Purpose, f.Bytes, unix(f.Created), unix(f.Expires)}
}

// unix returns a time that is sent in seconds, and nothing for 0.
func unix(seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// Upload sends a file, as it is read. Like every request it is sent once: it cannot be repeated with the same Body.
func (c *Client) Upload(ctx context.Context, u *Upload) (*File, error) {
	return c.upload(ctx, u, nil)
}

// upload is Upload of a file with texts in it that errors must not quote.
func (c *Client) upload(ctx context.Context, u *Upload, texts func(func(string))) (*File, error) {
	x, err := c.begin("upload")
	if err != nil {
		return nil, err
	}
	x.Texts = texts
	if u == nil || u.Body == nil || u.Name == "" {
		return nil, x.Refuse(genai.InvalidRequest, "upload", "there is no file, or it has no name")
	}
	f := newForm()
	f.text("purpose", u.Purpose)
	if u.Expires > 0 {
		f.text("expires_after[anchor]", "created_at")
		f.text("expires_after[seconds]", strconv.FormatInt(int64(u.Expires/time.Second), 10))
	}
	name := strings.NewReplacer("\\", "\\\\", `"`, `\"`, "\r", "", "\n", "").Replace(u.Name)
	_, _ = f.writer.CreatePart(textproto.MIMEHeader{ // writing to memory does not fail
		"Content-Disposition": {`form-data; name="file"; filename="` + name + `"`},
		"Content-Type":        {"application/octet-stream"},
	})
	// The form ends where the file begins, and goes on behind it.
	head := bytes.Clone(f.body.Bytes())
	f.body.Reset()
	_ = f.writer.Close()
	length := int64(-1)
	if u.Size > 0 {
		length = int64(len(head)) + u.Size + int64(f.body.Len())
	}
	h := http.Header{"Accept": {"application/json"}, "Content-Type": {f.writer.FormDataContentType()}}
	c.sign(x, h)
	if err := x.Upload(ctx, "/files", h, io.MultiReader(bytes.NewReader(head), u.Body, &f.body), length); err != nil {
		return nil, err
	}
	var object fileObject
	if err := x.decode(ctx, &object); err != nil {
		return nil, err
	}
	if object.ID == "" {
		return nil, x.Fail(genai.Malformed, "the file has no id")
	}
	file := object.file()
	return &file, nil
}

// Files lists the files of a purpose, or all if it is empty, as they come page by page.
func (c *Client) Files(ctx context.Context, purpose string) (*genai.Stream[File], error) {
	return pages(ctx, c, "files", "/files", "", "", url.Values{"purpose": {purpose}}, func(raw json.RawMessage) (File, string, error) {
		var f fileObject
		err := json.Unmarshal(raw, &f)
		return f.file(), f.ID, err
	})
}

// Content opens what is in a file. An error of Read is an [*genai.Error]; a file that was cut ends with Truncated, as far as
// the connection tells. The reader ends with ctx and must be closed.
func (c *Client) Content(ctx context.Context, id string) (io.ReadCloser, error) {
	x, err := c.begin("content")
	if err != nil {
		return nil, err
	}
	if err := c.get(ctx, x, "/files", id, "/content", nil); err != nil {
		return nil, err
	}
	return &content{ctx, x}, nil
}

// A content is a file that is being read.
type content struct {
	ctx context.Context
	x   ask
}

func (f *content) Read(p []byte) (int, error) {
	n, err := f.x.Resp.Body.Read(p)
	if err != nil && err != io.EOF {
		err = f.x.Cut(f.ctx, err)
	}
	return n, err
}

func (f *content) Close() error { return f.x.Resp.Body.Close() }

// DeleteFile deletes a file.
func (c *Client) DeleteFile(ctx context.Context, id string) error {
	x, err := c.begin("delete")
	if err != nil {
		return err
	}
	if !exchange.Named(id) {
		return x.Refuse(genai.InvalidRequest, "id", "there is no such id")
	}
	h := http.Header{"Accept": {"application/json"}}
	c.sign(x, h)
	if err := x.Delete(ctx, "/files/"+id, h); err != nil {
		return err
	}
	var gone struct{ Deleted *bool }
	if err := x.decode(ctx, &gone); err != nil {
		return err
	}
	if gone.Deleted != nil && !*gone.Deleted {
		return x.Fail(genai.Conflict, "the server did not delete the file")
	}
	return nil
}
