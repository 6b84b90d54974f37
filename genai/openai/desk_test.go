package openai_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dovetail-go/dovetail/genai/openai"
)

// A desk is a server that keeps files and works on batches, on the provider's wire. Each look at a batch is a step of it.
type desk struct {
	*httptest.Server
	mu      sync.Mutex
	files   map[string]string            // contents, by id
	forms   []map[string]string          // the fields of each upload
	batch   map[string]any               // what it says about its batch; nil: there is none
	steps   []func(batch map[string]any) // what happens between two looks
	looks   int
	refuse  []http.HandlerFunc // answers these before anything else
	cut     map[string]int     // how many bytes of a file come before the connection breaks
	calls   []string           // method and path of each request
	created map[string]any     // the body of the last creation
}

func newDesk(t testing.TB) *desk {
	d := &desk{files: map[string]string{}, cut: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/files", d.upload)
	mux.HandleFunc("GET /v1/files/{id}/content", d.content)
	mux.HandleFunc("DELETE /v1/files/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		if _, ok := d.files[id]; !ok {
			d.fail(w, 404, `{"message":"No such File object: `+id+`","type":"invalid_request_error","param":"id","code":null}`)
			return
		}
		delete(d.files, id)
		fmt.Fprintf(w, `{"id":%q,"object":"file","deleted":true}`, id)
	})
	mux.HandleFunc("POST /v1/batches", func(w http.ResponseWriter, r *http.Request) {
		d.created = map[string]any{}
		if err := json.NewDecoder(r.Body).Decode(&d.created); err != nil {
			t.Error(err)
		}
		d.batch = map[string]any{
			"id": "batch_1", "object": "batch", "status": "validating", "created_at": 1711471533, "expires_at": 1711557933,
			"errors": nil, "output_file_id": nil, "error_file_id": nil, "request_counts": map[string]any{"total": 0, "completed": 0, "failed": 0},
		}
		d.tell(w)
	})
	mux.HandleFunc("GET /v1/batches/batch_1", func(w http.ResponseWriter, _ *http.Request) {
		if d.looks < len(d.steps) {
			d.steps[d.looks](d.batch)
		}
		d.looks++
		d.tell(w)
	})
	mux.HandleFunc("POST /v1/batches/batch_1/cancel", func(w http.ResponseWriter, _ *http.Request) {
		d.batch["status"] = "cancelling"
		d.tell(w)
	})
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.calls = append(d.calls, r.Method+" "+r.URL.Path)
		if r.Header.Get("Authorization") != "Bearer sk-secret-key" {
			t.Errorf("%s has no key", r.URL.Path)
		}
		if len(d.refuse) > 0 {
			first := d.refuse[0]
			if d.refuse = d.refuse[1:]; first != nil {
				first(w, r)
				return
			}
		}
		w.Header().Set("X-Request-Id", "req-1")
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *desk) client() *openai.Client {
	return &openai.Client{BaseURL: d.URL + "/v1", Key: "sk-secret-key", Model: "m", Name: "desk", HTTP: d.Server.Client()}
}

// within returns a client that asks the desk without a network, for tests in which time is not real.
func (d *desk) within() *http.Client {
	return &http.Client{Transport: handled(func(w http.ResponseWriter, r *http.Request) { d.Config.Handler.ServeHTTP(w, r) })}
}

type handled http.HandlerFunc

func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func (d *desk) tell(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(d.batch)
}

func (d *desk) fail(w http.ResponseWriter, status int, problem string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"error":`+problem+`}`)
}

func (d *desk) upload(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		d.fail(w, 400, `{"message":"not a form","type":"invalid_request_error"}`)
		return
	}
	form := map[string]string{"length": fmt.Sprint(r.ContentLength)}
	for name, values := range r.MultipartForm.Value {
		form[name] = values[0]
	}
	file, header, err := r.FormFile("file")
	if err != nil {
		d.fail(w, 400, `{"message":"no file","type":"invalid_request_error"}`)
		return
	}
	text, _ := io.ReadAll(file)
	form["filename"] = header.Filename
	d.forms = append(d.forms, form)
	id := fmt.Sprintf("file-%d", len(d.forms))
	d.files[id] = string(text)
	_, _ = fmt.Fprintf(w, `{"id":%q,"object":"file","bytes":%d,"created_at":1613677385,"filename":%q,"purpose":%q,"status":"processed"}`, id, len(text), header.Filename, form["purpose"])
}

func (d *desk) content(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	text, ok := d.files[id]
	if !ok {
		d.fail(w, 404, `{"message":"No such File object","type":"invalid_request_error","param":"id","code":null}`)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if n, ok := d.cut[id]; ok {
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		_, _ = io.WriteString(w, text[:n])
		return // the server closes the connection, since it said that there is more
	}
	_, _ = io.WriteString(w, text)
}

// lines are the lines of the file that was uploaded first, decoded.
func (d *desk) lines(t *testing.T) (all []map[string]any) {
	t.Helper()
	for s := bufio.NewScanner(strings.NewReader(d.files["file-1"])); s.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	return all
}

// called reports whether there was such a request.
func (d *desk) called(call string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.calls, call)
}

// is makes a step in which the batch takes on a status and counts.
func is(status string, completed, failed, total int) func(map[string]any) {
	return func(batch map[string]any) {
		batch["status"] = status
		batch["request_counts"] = map[string]any{"total": total, "completed": completed, "failed": failed}
	}
}

// ends makes a step in which the batch is over, with two files.
func (d *desk) ends(status string, completed, failed, total int, output, errors string) func(map[string]any) {
	return func(batch map[string]any) {
		is(status, completed, failed, total)(batch)
		batch[status+"_at"] = 1711475133
		if output != "" {
			batch["output_file_id"], d.files["file-out"] = "file-out", output
		}
		if errors != "" {
			batch["error_file_id"], d.files["file-err"] = "file-err", errors
		}
	}
}

// answered is a line about a request that was answered.
func answered(key, text string) string {
	return fmt.Sprintf(`{"id":"batch_req_1","custom_id":%q,"response":{"status_code":200,"request_id":"req_%s","body":{"id":"chatcmpl-1","object":"chat.completion",`+
		`"model":"real","choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":24,"completion_tokens":15,"total_tokens":39}}},"error":null}`+"\n", key, key, text)
}

// refused is a line about a request that got another status.
func refused(key string, status int, problem string) string {
	return fmt.Sprintf(`{"id":"batch_req_1","custom_id":%q,"response":{"status_code":%d,"request_id":"req_%s","body":{"error":%s}},"error":null}`+"\n", key, status, key, problem)
}

// skipped is a line about a request that was never asked.
func skipped(key, code string) string {
	return fmt.Sprintf(`{"id":"batch_req_1","custom_id":%q,"response":null,"error":{"code":%q,"message":"This request could not be executed."}}`+"\n", key, code)
}
