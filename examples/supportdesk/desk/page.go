package desk

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
)

//go:embed page.html
var page string

// Pages serves the web page at "/" and, for its strip, what health says at "/health". The page asks its questions
// through the same operation as everybody else.
func Pages(health genai.Handler[*contract.HealthRequest, *contract.ModelHealth]) http.Handler {
	html := []byte(strings.Replace(page, "{{.Ask}}", strings.ReplaceAll(contract.Ask.Name, ".", "/"), 1))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:")
		_, _ = w.Write(html) // nobody is left to be told
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		state, err := health(r.Context(), &contract.HealthRequest{})
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_ = json.NewEncoder(w).Encode(map[string]string{"kind": string(genai.KindOf(err))})
			return
		}
		_ = json.NewEncoder(w).Encode(state)
	})
	return mux
}
