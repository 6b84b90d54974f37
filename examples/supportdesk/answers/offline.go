package answers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/examples/supportdesk/internal/words"
	"github.com/dovetail-go/dovetail/genai"
)

// OfflineModel is the name under which the offline model answers.
const OfflineModel = "offline"

// Offline is a genai.Chat that is no language model, and says so: it picks, from the passages in its instructions, the
// sentences that share most with the question. It needs no key and no network, answers the same every time, and stands
// in when the provider fails.
func Offline(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
	answer := compose(req)
	return genai.Open(ctx, func(_ context.Context, yield func(genai.ChatEvent) bool) error {
		if !yield(genai.ChatEvent{Start: &genai.ChatStart{Model: OfflineModel}}) {
			return nil
		}
		tokens := 0
		for token := range tokensOf(answer) {
			if !yield(genai.ChatEvent{Text: token}) {
				return nil
			}
			tokens++
		}
		yield(genai.ChatEvent{
			Finish: &genai.Finish{Reason: genai.FinishStop, Raw: "stop"},
			Usage:  &genai.Usage{Output: tokens},
		})
		return nil
	})
}

// maxSentences is how many sentences an answer has at most.
const maxSentences = 5

func compose(req *genai.ChatRequest) string {
	var passages []string
	for _, m := range req.Messages {
		if m.Role == genai.RoleSystem {
			passages = append(passages, contract.PassagesOf(m.Text())...)
		}
	}
	best := choose(words.Set(req.Text()), passages)
	if best == nil {
		return "I am the desk's offline model, which only quotes the user guide, and I found nothing in it about that. " +
			"Try other words, or start the desk with a language model (OPENAI_API_KEY and OPENAI_MODEL)."
	}
	var b strings.Builder
	b.WriteString("From the user guide, as quoted by the offline model:\n")
	last := -1
	for _, s := range best {
		if s.passage != last {
			b.WriteByte('\n')
		} else {
			b.WriteByte(' ')
		}
		last = s.passage
		fmt.Fprintf(&b, "%s [%d]", s.text, s.passage+1)
	}
	return b.String()
}

type sentence struct {
	text           string
	passage, place int
	score          float64
}

// choose returns the sentences that share most with the question, in the order in which they stand in the passages.
func choose(question map[string]bool, passages []string) []sentence {
	var all []sentence
	df := map[string]int{} // in how many sentences a word stands: what stands in all of them tells nothing
	for p, text := range passages {
		for i, t := range sentences(text) {
			all = append(all, sentence{text: t, passage: p, place: i})
			for w := range words.Set(t) {
				df[w]++
			}
		}
	}
	for i := range all {
		s := &all[i]
		own := words.Set(s.text)
		for w := range own {
			if question[w] {
				s.score += 1 / float64(1+df[w])
			}
		}
		if s.score == 0 {
			continue
		}
		s.score /= 1 + float64(len(own))/40         // of two that say as much, the shorter
		s.score *= 1 / (1 + 0.3*float64(s.passage)) // passages come best first
		s.score *= 1 / (1 + 0.05*float64(s.place))  // and say what they are about at their beginning
	}
	slices.SortStableFunc(all, func(a, b sentence) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	n := 0
	for n < len(all) && n < maxSentences && all[n].score > 0 {
		n++
	}
	if n == 0 {
		return nil
	}
	best := all[:n]
	slices.SortFunc(best, func(a, b sentence) int {
		if a.passage != b.passage {
			return a.passage - b.passage
		}
		return a.place - b.place
	})
	return best
}

// sentences splits Markdown prose. Code blocks and tables are left out: a line of them says nothing alone.
func sentences(markdown string) []string {
	var list []string
	var paragraph strings.Builder
	flush := func() {
		text := strings.Join(strings.Fields(paragraph.String()), " ")
		paragraph.Reset()
		for text != "" {
			end := sentenceEnd(text)
			if s := strings.TrimSpace(text[:end]); strings.ContainsFunc(s, unicode.IsLetter) {
				list = append(list, s)
			}
			text = text[end:]
		}
	}
	fenced := false
	for line := range strings.Lines(markdown) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			flush()
			continue
		}
		item := strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "* ")
		if fenced || line == "" || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "#") || item {
			flush()
		}
		if !fenced && !strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "#") {
			if item {
				line = line[2:]
			}
			paragraph.WriteString(line)
			paragraph.WriteByte(' ')
		}
	}
	flush()
	return list
}

// sentenceEnd returns where the first sentence of text ends: behind a stop that a capital or the end follows.
func sentenceEnd(text string) int {
	for i, r := range text {
		if r != '.' && r != '!' && r != '?' {
			continue
		}
		rest := text[i+1:]
		if rest == "" {
			break
		}
		if after, ok := strings.CutPrefix(rest, " "); ok {
			if r := []rune(after); len(r) > 0 && (unicode.IsUpper(r[0]) || r[0] == '`' || unicode.IsDigit(r[0])) {
				return i + 1
			}
		}
	}
	return len(text)
}

// tokensOf yields text word by word, with the space before each, as models do.
func tokensOf(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for len(text) > 0 {
			end := strings.IndexFunc(text[1:], unicode.IsSpace)
			if end < 0 {
				end = len(text) - 1
			}
			if !yield(text[:end+1]) {
				return
			}
			text = text[end+1:]
		}
	}
}
