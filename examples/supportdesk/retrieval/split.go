package retrieval

import (
	"io/fs"
	"path"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// A passage is one section of a Markdown file.
type passage struct {
	source string // file name and section, such as "streams.md#the-commit-point"
	title  string // title of the file and of the section
	text   string // Markdown, without the heading
}

// maxPassage is where a long section is split at the next blank line, in bytes: a passage should be about one thing,
// and several must fit into a prompt.
const maxPassage = 1600

// read splits every Markdown file of folder, in the order of their names.
func read(folder fs.FS) ([]passage, error) {
	files, err := fs.Glob(folder, "*.md")
	if err != nil {
		return nil, err
	}
	var passages []passage
	for _, name := range files {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, genai.Errorf(genai.Unavailable, "the knowledge base cannot be read: %w", err)
		}
		passages = append(passages, split(name, string(text))...)
	}
	if len(passages) == 0 {
		return nil, &genai.Error{Kind: genai.InvalidRequest, Field: "knowledge",
			Message: "the folder holds no Markdown file (*.md) with text in it; name one that does with -knowledge"}
	}
	return passages, nil
}

func split(name, text string) []passage {
	var passages []passage
	document := strings.TrimSuffix(path.Base(name), ".md")
	section := ""
	var body strings.Builder
	flush := func() {
		if t := strings.TrimSpace(body.String()); t != "" {
			p := passage{source: name, title: document, text: t}
			if section != "" {
				p.source += "#" + slug(section)
				p.title += ": " + section
			}
			passages = append(passages, p)
		}
		body.Reset()
	}
	fenced := false
	for line := range strings.Lines(text) {
		bare := strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(bare, "```") {
			fenced = !fenced
		}
		heading, level := headingOf(bare)
		switch {
		case fenced || level == 0:
			if bare == "" && !fenced && body.Len() > maxPassage {
				flush()
			}
			body.WriteString(bare)
			body.WriteByte('\n')
		case level == 1:
			flush()
			document, section = heading, ""
		default:
			flush()
			section = heading
		}
	}
	flush()
	return passages
}

func headingOf(line string) (text string, level int) {
	rest := strings.TrimLeft(line, "#")
	level = len(line) - len(rest)
	if level == 0 || level > 6 || !strings.HasPrefix(rest, " ") {
		return "", 0
	}
	return strings.TrimSpace(rest), level
}

// slug is the anchor that Markdown renderers give a heading.
func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 127:
			return r
		}
		return -1
	}, strings.ToLower(heading))
}
