// Package moderation is the desk's ethics check. It stands apart from the model on purpose: its rules are short enough
// to be read by the people who answer for them, they cannot be talked round by a prompt, and they can be changed and
// deployed without touching anything else.
package moderation

import (
	"context"
	"fmt"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// Policy is the version of the rules, reported with each verdict.
const Policy = "supportdesk-2026-11"

// Check is a genai.Moderator. It refuses abuse and says why; personal data it takes out, and says what it took.
func Check(_ context.Context, req *genai.ModerationRequest) (*genai.Verdict, error) {
	verdict := &genai.Verdict{Policy: Policy}
	for _, r := range refusals {
		found := r.pattern.MatchString(req.Text)
		verdict.Categories = append(verdict.Categories, genai.Category{Name: r.name, Flagged: found})
		if found && !verdict.Flagged {
			verdict.Flagged, verdict.Reason = true, r.reason
		}
	}
	if verdict.Flagged {
		return verdict, nil
	}
	if text, taken := redact(req.Text); taken != nil {
		verdict.Redacted = &text
		verdict.Reason = fmt.Sprintf("I took out %s before passing your question on.", strings.Join(taken, " and "))
	}
	return verdict, nil
}
