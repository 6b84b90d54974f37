package arch

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// requirements are the modules that the root module may require directly. A module boundary is bought with a heavy
// dependency: whatever needs another one becomes a module of its own.
var requirements = []string{
	"github.com/cenkalti/backoff/v4",
	"github.com/google/jsonschema-go",
	"github.com/sony/gobreaker/v2",
	"go.opentelemetry.io/otel",
	"go.opentelemetry.io/otel/metric",
	"go.opentelemetry.io/otel/trace",
	"golang.org/x/sync",
}

func TestModule(t *testing.T) {
	out, err := goTool(root, "mod", "edit", "-json")
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Module  struct{ Path string }
		Go      string
		Require []struct {
			Path     string
			Indirect bool
		}
		Replace []struct{ Old struct{ Path string } }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if mod.Module.Path != module {
		t.Errorf("the module is %s, want %s", mod.Module.Path, module)
	}
	if mod.Go != "1.26" && !strings.HasPrefix(mod.Go, "1.26.") {
		t.Errorf("go.mod asks for Go %s; the documentation says 1.26", mod.Go)
	}
	for _, r := range mod.Require {
		if !r.Indirect && !slices.Contains(requirements, r.Path) {
			t.Errorf("go.mod requires %s, which is not on the list in internal/arch/module_test.go", r.Path)
		}
	}
	for _, r := range mod.Replace {
		t.Errorf("go.mod replaces %s: whoever uses the library would build something else than we test", r.Old.Path)
	}
}
