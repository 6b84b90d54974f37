package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// surfaces bounds how many exported names a package may have at its top level, constants of a closed set left out: a
// reader must be able to keep a package in mind. Packages that are not named here may have otherSurface.
var surfaces = map[string]int{
	"genai":       90,
	"genai/route": 20, // one short name for each way to choose: nine of one, six of several, and the parts they choose among
	"resilience":  40,
	"transport":   25,
}

const otherSurface = 12

func TestSurface(t *testing.T) {
	for _, p := range packages(t) {
		if strings.HasPrefix(p.path(), "examples/") || strings.HasPrefix(p.path(), "internal/") {
			continue
		}
		limit, ok := surfaces[p.path()]
		if !ok {
			limit = otherSurface
		}
		names := surface(t, p)
		t.Logf("%s: %d of %d", p.path(), len(names), limit)
		if len(names) > limit {
			t.Errorf("%s has %d exported names, %d are the limit: %s", p.path(), len(names), limit, strings.Join(names, " "))
		}
	}
}

func surface(t *testing.T, p pkg) (names []string) {
	fset := token.NewFileSet()
	add := func(id *ast.Ident) {
		if id.IsExported() {
			names = append(names, id.Name)
		}
	}
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			continue // TestComments says so
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					add(d.Name)
				}
			case *ast.GenDecl:
				if d.Tok == token.CONST {
					continue
				}
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						add(s.Name)
					case *ast.ValueSpec:
						for _, id := range s.Names {
							add(id)
						}
					}
				}
			}
		}
	}
	return names
}
