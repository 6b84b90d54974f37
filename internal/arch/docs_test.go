package arch

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A block is a piece of Go in a Markdown file.
type block struct {
	at   string // file and line
	text string
}

// goBlocks returns what stands between "```go" and "```" in a Markdown file. Blocks marked "```go fragment" are for
// reading only.
func goBlocks(name, text string) (blocks []block) {
	var lines []string
	inside, begin := false, 0
	for n, line := range strings.Split(text, "\n") {
		switch {
		case inside && strings.HasPrefix(line, "```"):
			inside = false
			blocks = append(blocks, block{fmt.Sprintf("%s:%d", name, begin), strings.Join(lines, "\n") + "\n"})
		case inside:
			lines = append(lines, line)
		case strings.TrimSpace(line) == "```go":
			inside, begin, lines = true, n+1, nil
		}
	}
	return blocks
}

func TestDocumentationCompiles(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles programs")
	}
	var all []block
	files(t, func(name string, text []byte) {
		if strings.HasSuffix(name, ".md") && !strings.Contains(name, "testdata/") {
			all = append(all, goBlocks(name, string(text))...)
		}
	})
	if len(all) == 0 {
		t.Skip("no Markdown file has Go in it yet")
	}
	dir := t.TempDir()
	writeModule(t, dir)
	where := map[string]string{}
	for i, b := range all {
		if !strings.HasPrefix(strings.TrimSpace(b.text), "package ") {
			t.Errorf("%s: a ```go block must be a complete program, or be marked ```go fragment", b.at)
			continue
		}
		folder, name := fmt.Sprintf("p%d", i), "main.go"
		if strings.Contains(b.text, `"testing"`) {
			name = "main_test.go"
		}
		where[folder] = b.at
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, folder, name), []byte(b.text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if len(where) == 0 {
		return
	}
	if _, err := goTool(dir, "vet", "./..."); err != nil {
		text := regexp.MustCompile(`\bp[0-9]+\b`).ReplaceAllStringFunc(err.Error(), func(folder string) string {
			if at, ok := where[folder]; ok {
				return at + "/" + folder
			}
			return folder
		})
		t.Errorf("Go in the documentation does not compile:\n%s", text)
	}
}

// writeModule makes a module that uses the library as anybody would, with the versions that the library asks for.
func writeModule(t *testing.T, dir string) {
	t.Helper()
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	absolute, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(mod), "module "+module, "module example.org/reader", 1) +
		fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %s => %s\n", module, module, absolute)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestLinks follows the relative links of Markdown files, so that a claim never points at a test that was renamed away.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fenced := regexp.MustCompile("(?ms)^```.*?^```") // where a call of a generic function looks like a link
	files(t, func(name string, text []byte) {
		if !strings.HasSuffix(name, ".md") || strings.Contains(name, "testdata/") {
			return
		}
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(string(text), ""), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(name), target)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	})
}

// TestCommands: what the README tells people to type is what is run for every commit.
func TestCommands(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Skip("there is no README yet")
	}
	ci, err := os.ReadFile(filepath.Join(root, ".ci/run"))
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"go test -race ./..."} {
		if !strings.Contains(string(readme), command) {
			t.Errorf("README.md does not tell people to run %q", command)
		}
		if !strings.Contains("\n"+string(ci), "\n"+command+"\n") {
			t.Errorf(".ci/run does not run %q as README.md gives it", command)
		}
	}
}
