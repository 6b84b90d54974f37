package arch

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// A row of the table says what a package may import besides the standard library. A path that ends in "/..." stands for
// the package and everything below it.
type row struct {
	pkg  string
	may  []string
	why  string // the reason, for whoever wants to add something
	free bool   // may import everything in this module
}

const (
	otelAPI    = "go.opentelemetry.io/otel/..."
	backoff    = "github.com/cenkalti/backoff/v4"
	gobreaker  = "github.com/sony/gobreaker/v2"
	xsync      = "golang.org/x/sync/..."
	jsonschema = "github.com/google/jsonschema-go/..."
)

// table is who may import whom. A package that is not in it does not pass: add it here, with a reason.
var table = []row{
	{pkg: ".", why: "the front door holds documentation and an example only"},

	{pkg: "genai", why: "the vocabulary stands on the standard library alone, so that using it costs nothing"},
	{pkg: "genai/openai", may: []string{"genai", "genai/job", "internal/..."}, why: "a provider's client is net/http and the vocabulary; policies are somebody else's"},
	{pkg: "genai/anthropic", may: []string{"genai", "genai/job", "internal/..."}, why: "a provider's client is net/http and the vocabulary"},
	{pkg: "genai/gemini", may: []string{"genai", "internal/..."}, why: "a provider's client is net/http and the vocabulary"},
	{pkg: "genai/ollama", may: []string{"genai", "internal/..."}, why: "a provider's client is net/http and the vocabulary"},
	{pkg: "genai/route", may: []string{"genai", "internal/..."}, why: "choosing one of many needs handlers and errors, nothing else"},
	{pkg: "genai/fanout", may: []string{"genai", "internal/...", xsync}, why: "asking many at once needs errgroup and semaphores at most"},
	{pkg: "genai/guard", may: []string{"genai", "internal/..."}, why: "a check works on requests and answers"},
	{pkg: "genai/job", may: []string{"genai", "internal/..."}, why: "the vocabulary for long work is handlers and errors"},
	{pkg: "genai/cache", may: []string{"genai", "internal/...", xsync}, why: "coalescing may use singleflight"},
	{pkg: "genai/tool", may: []string{"genai", "internal/...", jsonschema}, why: "the schema of a tool comes from its Go type"},
	{pkg: "genai/price", may: []string{"genai", "internal/..."}, why: "usage in, money out"},
	{pkg: "genai/observe", may: []string{"genai", "internal/...", "transport", otelAPI}, why: "the only importer of OpenTelemetry, and only of its API; transport for its metadata"},
	{pkg: "genai/genaitest/chattest", may: []string{"genai", "genai/genaitest", "internal/..."}, why: "the suite must judge clients of others, so it knows none"},
	{pkg: "genai/genaitest/wiretest", may: []string{"genai", "internal/..."}, why: "a server answers from any model, so it knows none"},
	{pkg: "genai/genaitest", may: []string{"genai", "internal/..."}, why: "test doubles must be usable without any other block"},

	{pkg: "resilience", may: []string{"genai", "internal/...", backoff, gobreaker, xsync}, why: "policies do not know transports, routers or models"},
	{pkg: "resilience/policytest", may: []string{"genai", "genai/genaitest", "internal/..."}, why: "the suite must judge policies of others, so it knows none"},

	{pkg: "transport", may: []string{"genai", "internal/..."}, why: "contracts and placement; it must not know its transports, which import it"},
	{pkg: "transport/inproc", may: []string{"genai", "internal/...", "transport"}, why: "a transport knows the contract, not its neighbours"},
	{pkg: "transport/httptransport", may: []string{"genai", "internal/...", "transport"}, why: "net/http and the contract, not its neighbours"},
	{pkg: "transport/openapi", may: []string{"genai", "internal/...", "transport"}, why: "describes contracts to others"},
	{pkg: "transport/contract", may: []string{"genai", "internal/...", "transport"}, why: "compares what is served with what was; it serves nothing"},
	{pkg: "transport/rollout", may: []string{"genai", "internal/...", "transport"}, why: "clients that choose between clients; which transports those are is not its business"},
	{pkg: "transport/transporttest", may: []string{"genai", "genai/genaitest", "internal/...", "transport", "transport/inproc", "transport/httptransport"},
		why: "runs a user's own test over the transports that come with the library"},

	{pkg: "internal/arch", why: "tests only"},
	{pkg: "internal/...", may: []string{"genai", "internal/..."}, why: "small and boring: nothing there may pull in a third party"},
	{pkg: "examples/ask", free: true, may: []string{jsonschema}, why: "an answer must fit the schema that its user brings"},
	{pkg: "examples/...", free: true, why: "an application may use everything, and nobody imports an application"},
}

func rowOf(path string) (row, bool) {
	for _, r := range table {
		if matches(r.pkg, path) {
			return r, true
		}
	}
	return row{}, false
}

func matches(pattern, path string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == prefix || strings.HasPrefix(path, prefix+"/")
	}
	return pattern == path
}

// standard reports whether an import path belongs to the standard library: its first element has no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// local returns the path inside the module, or false.
func local(imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

func (r row) allows(imported string) bool {
	if inside, ok := local(imported); ok {
		imported = inside
		if r.free {
			return true
		}
	}
	return slices.ContainsFunc(r.may, func(p string) bool { return matches(p, imported) })
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		r, ok := rowOf(p.path())
		if !ok {
			t.Errorf("package %s is not in the table of internal/arch/imports_test.go: add it, with what it may import and why", p.path())
			continue
		}
		for _, imported := range p.Imports {
			if !standard(imported) && !r.allows(imported) {
				t.Errorf("%s imports %s, which it must not: %s", p.path(), imported, r.why)
			}
		}
		// Tests may use every package of the module, but no third party that the package itself may not.
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			if _, inside := local(imported); !inside && !standard(imported) && !r.allows(imported) {
				t.Errorf("the tests of %s import %s: tests use the standard library and this module only", p.path(), imported)
			}
		}
	}
}

func TestNobodyImportsApplications(t *testing.T) {
	for _, p := range packages(t) {
		if strings.HasPrefix(p.path(), "examples/") {
			continue
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if inside, ok := local(imported); ok && strings.HasPrefix(inside, "examples/") {
				t.Errorf("%s imports %s: applications are imported by nobody", p.path(), imported)
			}
		}
	}
}

func TestOnlyTestPackagesImportTesting(t *testing.T) {
	for _, p := range packages(t) {
		if strings.HasSuffix(path.Base(p.path()), "test") {
			continue
		}
		for _, imported := range p.Imports {
			if imported == "testing" || strings.HasPrefix(imported, "testing/") || imported == "net/http/httptest" {
				t.Errorf("%s imports %s: what is for tests belongs in a package whose name ends in \"test\", or a program carries it for nothing", p.path(), imported)
			}
		}
	}
}

func TestOnlyObserveImportsOpenTelemetry(t *testing.T) {
	for _, p := range packages(t) {
		if p.path() == "genai/observe" {
			continue
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "go.opentelemetry.io/") {
				t.Errorf("%s imports %s: emit a genai.Event instead, and let genai/observe translate it", p.path(), imported)
			}
		}
	}
}

// TestLeanPackages checks what a program really compiles, through all the packages between.
func TestLeanPackages(t *testing.T) {
	for _, lean := range []string{"genai", "genai/openai", "genai/anthropic", "genai/ollama", "genai/gemini", "genai/job", "genai/route", "genai/genaitest", "transport", "transport/inproc", "transport/httptransport"} {
		t.Run(lean, func(t *testing.T) {
			if !slices.ContainsFunc(packages(t), func(p pkg) bool { return p.path() == lean }) {
				t.Skip("not there yet")
			}
			deps, err := list("-deps", "./"+lean)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range deps {
				inside, ok := local(d.ImportPath)
				switch {
				case d.Standard:
				case !ok:
					t.Errorf("who imports %s compiles %s: it needs the standard library only", lean, d.ImportPath)
				case lean == "genai" && inside != "genai":
					t.Errorf("who imports genai compiles %s", inside)
				}
			}
		})
	}
}
