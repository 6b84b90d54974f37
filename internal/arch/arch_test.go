package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/dovetail-go/dovetail"

// root is the folder of the repository, seen from this one.
const root = "../.."

// A pkg is what "go list" says about a package.
type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	Standard     bool
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// path returns the import path relative to the module; "." for the root package.
func (p pkg) path() string {
	if p.ImportPath == module {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, module+"/")
}

// ours lists the packages of the root module, once for all tests.
var ours = sync.OnceValues(func() ([]pkg, error) { return list("./...") })

func packages(t *testing.T) []pkg {
	t.Helper()
	all, err := ours()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 3 {
		t.Fatalf("found %d packages only: the guards look in the wrong place", len(all))
	}
	return all
}

func list(args ...string) ([]pkg, error) {
	out, err := goTool(root, append([]string{"list", "-e", "-json=ImportPath,Dir,Name,Standard,GoFiles,Imports,TestImports,XTestImports"}, args...)...)
	if err != nil {
		return nil, err
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}

func goTool(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New(strings.TrimSpace(stderr.String() + "\n" + err.Error()))
	}
	return out, nil
}

// files calls visit with every file of the repository that is text, generated output and caches left out. names are
// relative to the root and use slashes.
func files(t *testing.T, visit func(name string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" || d.Name() == "bin" {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || d.Name() == ".git" { // which is a file in a further work tree
			return nil
		}
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary file of an editor or of the go command
		}
		if err != nil || bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			return err
		}
		rel, err := filepath.Rel(root, name)
		visit(filepath.ToSlash(rel), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
