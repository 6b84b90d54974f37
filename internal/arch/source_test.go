package arch

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxLines is where a file has more than one subject.
const maxLines = 600

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func TestFileSize(t *testing.T) {
	files(t, func(name string, text []byte) {
		if strings.HasSuffix(name, ".go") && !generated.Match(text) {
			if n := bytes.Count(text, []byte("\n")); n > maxLines {
				t.Errorf("%s has %d lines: split it by subject, %d are the limit", name, n, maxLines)
			}
		}
	})
}

// forbidden are texts that no file may contain, written so that this file does not contain them either.
var forbidden = []struct{ text, why string }{
	{"/wo" + "rk/", "a path of one machine"},
	{"/ho" + "me/", "a path of one machine"},
	{"/tm" + "p/bash", "a path of one machine"},
	{"proxy.go" + "lang.org", "where modules come from is the business of whoever builds"},
	{"registry.npm" + "js.org", "where packages come from is the business of whoever builds"},
	{"shared/de" + "sign", "a paper outside the repository, which its readers do not have"},
}

func TestForbiddenText(t *testing.T) {
	files(t, func(name string, text []byte) {
		for _, f := range forbidden {
			if at := bytes.Index(text, []byte(f.text)); at >= 0 {
				t.Errorf("%s:%d contains %q: %s", name, 1+bytes.Count(text[:at], []byte("\n")), f.text, f.why)
			}
		}
	})
}

func TestComments(t *testing.T) {
	for _, p := range packages(t) {
		fset := token.NewFileSet()
		documented := false
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Error(err)
				continue
			}
			if file.Doc != nil {
				documented = true
				want := "Package " + p.Name + " "
				if p.Name != "main" && !strings.HasPrefix(file.Doc.Text(), want) {
					t.Errorf("%s/%s: the package comment must begin with %q", p.path(), name, want)
				}
			}
			if ast.IsGenerated(file) || p.Name == "main" {
				continue
			}
			for _, decl := range file.Decls {
				for _, undocumented := range check(decl) {
					t.Errorf("%s: exported %s has no comment", fset.Position(undocumented.Pos()), undocumented.Name)
				}
			}
		}
		if len(p.GoFiles) > 0 && !documented {
			t.Errorf("package %s has no package comment", p.path())
		}
	}
}

// check returns the exported names of a declaration that nothing is said about. A group may have one comment for all.
func check(decl ast.Decl) (undocumented []*ast.Ident) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && (d.Recv == nil || exportedReceiver(d.Recv)) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					undocumented = append(undocumented, s.Name)
				}
			case *ast.ValueSpec:
				for _, name := range s.Names {
					if name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
						undocumented = append(undocumented, name)
					}
				}
			}
		}
	}
	return undocumented
}

func exportedReceiver(fields *ast.FieldList) bool {
	if len(fields.List) == 0 {
		return false
	}
	exported := false
	ast.Inspect(fields.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			exported = exported || id.IsExported()
			return false
		}
		_, index := n.(*ast.IndexExpr)
		if index {
			ast.Inspect(n.(*ast.IndexExpr).X, func(n ast.Node) bool {
				id, ok := n.(*ast.Ident)
				exported = exported || ok && id.IsExported()
				return true
			})
			return false
		}
		return true
	})
	return exported
}

// TestNoInit keeps importing free of effects.
func TestNoInit(t *testing.T) {
	for _, p := range packages(t) {
		fset := token.NewFileSet()
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				continue // TestComments says so
			}
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s: func init: importing a package must do nothing", fset.Position(f.Pos()))
				}
			}
		}
	}
}

// TestSmallInterfaces: whoever implements an interface of ours writes two methods at most.
func TestSmallInterfaces(t *testing.T) {
	for _, p := range packages(t) {
		if strings.HasPrefix(p.path(), "internal/") || strings.HasPrefix(p.path(), "examples/") {
			continue
		}
		fset := token.NewFileSet()
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				continue // TestComments says so
			}
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok || !spec.Name.IsExported() {
					return true
				}
				if i, ok := spec.Type.(*ast.InterfaceType); ok && i.Methods.NumFields() > 2 {
					t.Errorf("%s: interface %s has %d methods, 2 are the limit", fset.Position(spec.Pos()), spec.Name, i.Methods.NumFields())
				}
				return true
			})
		}
	}
}
