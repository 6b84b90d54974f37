package wiretest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// Record is an [http.RoundTripper] that writes down each exchange as it takes place, for [Replay] to repeat: method,
// path, JSON body and the whole response with the time at which each of its pieces came. It stands in the client whose
// exchanges are wanted:
//
//	client := &openai.Client{Key: key, HTTP: &http.Client{Transport: &wiretest.Record{File: "testdata/chat.jsonl"}}}
//
// Keys do not get into the file: no header of the request is written, and of the response only those that a client may
// act on; the values of headers and parameters that carry keys, and whatever else looks like one or like the name of an
// account, are replaced wherever they stand, errors included. The text of prompts and answers is written as it is, so read
// a file before you publish it. Responses are asked for uncompressed.
//
// The file holds one exchange a line, in the order in which they ended. An exchange is written when its body was read to
// the end or closed. A Record must not be copied; it is safe for concurrent use.
type Record struct {
	File    string            // begun anew by the first exchange
	Next    http.RoundTripper // what really sends; nil: http.DefaultTransport
	Secrets []string          // further texts, of four bytes or more, that must not get into the file

	mu    sync.Mutex
	begun bool
}

// RoundTrip sends a request and records what comes back.
func (r *Record) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := drain(req)
	if err != nil {
		return nil, err
	}
	sent := req.Clone(req.Context())
	sent.Header.Del("Accept-Encoding") // what is compressed cannot be scrubbed, and could not be played
	if req.Body != nil {
		sent.Body = io.NopCloser(bytes.NewReader(body))
	}
	next := r.Next
	if next == nil {
		next = http.DefaultTransport
	}
	s := scrubberOf(req, r.Secrets)
	t := begin(req, body, s)
	began := time.Now()
	resp, err := next.RoundTrip(sent)
	t.Wait = milliseconds(time.Since(began))
	if err != nil {
		t.Failure = string(s.scrub([]byte(err.Error())))
		t.Left = req.Context().Err() != nil
		if failed := r.write(t); failed != nil {
			return nil, failed
		}
		return nil, err
	}
	t.Status = resp.StatusCode
	t.Headers = map[string]string{}
	for name := range resp.Header {
		if keptHeaders.MatchString(name) {
			t.Headers[name] = string(s.scrub([]byte(resp.Header.Get(name))))
		}
	}
	resp.Body = &recordedBody{ReadCloser: resp.Body, ctx: req.Context(), record: r, tape: t, scrubber: s, began: time.Now()}
	return resp, nil
}

// drain reads the body of a request, as a RoundTripper must whatever becomes of it.
func drain(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer req.Body.Close()
	return io.ReadAll(req.Body)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// fingerprint is the hash of a body that is no JSON, such as a form with a file in it, without the boundary that every
// form has anew.
func fingerprint(contentType string, body []byte) string {
	if _, parameters, err := mime.ParseMediaType(contentType); err == nil && parameters["boundary"] != "" {
		body = bytes.ReplaceAll(body, []byte(parameters["boundary"]), []byte("boundary"))
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// write adds a line to the file.
func (r *Record) write(t *tape) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	mode := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if !r.begun {
		mode |= os.O_TRUNC
	}
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	err := enc.Encode(t)
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(r.File, mode, 0o644); err == nil {
			_, err = f.Write(line.Bytes())
			if failed := f.Close(); err == nil {
				err = failed
			}
		}
	}
	if err != nil {
		return &genai.Error{Kind: genai.Internal, Field: "File", Message: "an exchange cannot be recorded: " + err.Error(), Err: err}
	}
	r.begun = true
	return nil
}

// A recordedBody notes what is read.
type recordedBody struct {
	io.ReadCloser
	ctx      context.Context // of the request
	record   *Record
	scrubber *scrubber
	began    time.Time

	mu    sync.Mutex // Close may come from another goroutine
	tape  *tape      // nil once it is written
	whole []byte
	marks []mark
}

// A mark says how long the body was, and when.
type mark struct {
	n  int
	at float64
}

func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tape == nil {
		return n, err
	}
	if n > 0 {
		b.whole = append(b.whole, p[:n]...)
		b.marks = append(b.marks, mark{len(b.whole), milliseconds(time.Since(b.began))})
	}
	if err != nil {
		b.tape.Left = err != io.EOF && b.ctx.Err() != nil // then the error is the client's own end
		b.tape.Cut = err != io.EOF && !b.tape.Left
		if failed := b.finish(); failed != nil {
			return n, failed
		}
	}
	return n, err
}

// Close ends the exchange, which is written if it was not yet.
func (b *recordedBody) Close() error {
	err := b.ReadCloser.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tape != nil {
		b.tape.Left = true
		if failed := b.finish(); failed != nil {
			return failed
		}
	}
	return err
}

// finish cuts the scrubbed body where it was read, and writes the tape.
func (b *recordedBody) finish() error {
	t := b.tape
	b.tape = nil
	t.End = milliseconds(time.Since(b.began))
	text, at := b.scrubber.scrub(b.whole), 0
	for _, m := range b.marks {
		t.Chunks = append(t.Chunks, chunkOf(m.at, text[at:m.n]))
		at = m.n
	}
	return b.record.write(t)
}
