package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// TestGoroutinesAreExplained: a goroutine has an owner who waits for it, and a comment on its line, or right above, says
// who, or when it ends.
func TestGoroutinesAreExplained(t *testing.T) {
	for _, p := range packages(t) {
		fset := token.NewFileSet()
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				continue // TestComments says so
			}
			commented := map[int]bool{}
			for _, group := range file.Comments {
				for line := fset.Position(group.Pos()).Line; line <= fset.Position(group.End()).Line; line++ {
					commented[line] = true
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if !starts(n) {
					return true
				}
				at := fset.Position(n.Pos())
				if !commented[at.Line] && !commented[at.Line-1] {
					t.Errorf("%s: no comment says who waits for this goroutine", at)
				}
				return true
			})
		}
	}
}

// starts reports whether n starts a goroutine: by a go statement, or by the method Go of a group.
func starts(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		return true
	case *ast.CallExpr:
		method, ok := n.Fun.(*ast.SelectorExpr)
		return ok && method.Sel.Name == "Go" && len(n.Args) == 1
	}
	return false
}
