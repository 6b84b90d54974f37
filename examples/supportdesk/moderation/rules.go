package moderation

import (
	"regexp"
	"slices"
	"strings"
)

// A refusal is a reason not to answer at all.
type refusal struct {
	name    string
	pattern *regexp.Regexp
	reason  string // what the person is told
}

var refusals = []refusal{
	{
		name: "self-harm",
		pattern: regexp.MustCompile(`(?i)\b(kill|hurt|harm) (myself|my self)\b|\b(end|take) my (own )?life\b|\bcommit suicide\b|` +
			`\bwant to die\b`),
		reason: "This sounds serious, and a support desk is the wrong place for it. Please talk to somebody now: " +
			"call your local emergency number, or a crisis line such as 988 in the United States or 116 123 in much of Europe.",
	},
	{
		name: "threat",
		pattern: regexp.MustCompile(`(?i)\b(i|we)('ll| will| am going to|'m going to| shall) (kill|hurt|find|shoot|stab|burn) ` +
			`(you|him|her|them|your)\b|\bbomb threat\b`),
		reason: "The message threatens somebody, so I will not pass it on. If there is a danger, please call the emergency services.",
	},
	{
		name: "harassment",
		pattern: regexp.MustCompile(`(?i)\b(you|you're|you are|ur|your)\b[^.!?\n]{0,30}\b(idiots?|morons?|stupid|scum|trash|worthless|` +
			`bastards?|bitch|assholes?)\b|\bf+u+c+k+ (you|off|this)\b|\bshut up\b|\b(idiot|moron|asshole|bastard)s?!`),
		reason: "The message insults somebody. Ask again without that, and I am glad to help.",
	},
}

// A secret is something that must not go further than this service.
type secret struct {
	name        string // for people, in the plural
	placeholder string
	pattern     *regexp.Regexp
	check       func(match string) bool // nil: every match counts
}

// secrets are taken out in this order: what is found by a narrower rule must be gone before a wider one looks.
var secrets = []secret{
	{name: "keys", placeholder: "[key]", pattern: regexp.MustCompile(`\b(sk|pk|rk|ghp|gho|xoxb|AKIA)[-_A-Za-z0-9]{16,}\b`)},
	{name: "e-mail addresses", placeholder: "[email]",
		pattern: regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}`)},
	{name: "account numbers", placeholder: "[iban]",
		pattern: regexp.MustCompile(`\b[A-Z]{2}[0-9]{2}( ?[A-Z0-9]{4}){3,7}( ?[A-Z0-9]{1,3})?\b`), check: isIBAN},
	{name: "card numbers", placeholder: "[card]", pattern: regexp.MustCompile(`\b[0-9](?:[ -]?[0-9]){12,18}\b`), check: isCard},
	{name: "phone numbers", placeholder: "[phone]",
		pattern: regexp.MustCompile(`(\+[0-9]{1,3}[ -]?)?(\([0-9]{2,5}\)[ -]?)?[0-9]{2,8}([ -][0-9]{2,8}){1,4}\b|\+[0-9]{8,15}\b`), check: isPhone},
}

// redact returns text without secrets, and the names of the sorts that were found.
func redact(text string) (redacted string, taken []string) {
	for _, s := range secrets {
		text = s.pattern.ReplaceAllStringFunc(text, func(match string) string {
			if s.check != nil && !s.check(match) {
				return match
			}
			if !slices.Contains(taken, s.name) {
				taken = append(taken, s.name)
			}
			return s.placeholder
		})
	}
	return text, taken
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// isCard checks the Luhn digit of ISO/IEC 7812, without which every long order number would look like a card.
func isCard(match string) bool {
	number := digits(match)
	sum := 0
	for i := range len(number) {
		d := int(number[len(number)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// isIBAN checks the two check digits of ISO 13616: the number, turned and spelt in digits, leaves 1 when divided by 97.
func isIBAN(match string) bool {
	compact := strings.ReplaceAll(match, " ", "")
	if len(compact) < 15 || len(compact) > 34 {
		return false
	}
	rest := 0
	for _, r := range compact[4:] + compact[:4] {
		if r >= '0' && r <= '9' {
			rest = (rest*10 + int(r-'0')) % 97
		} else {
			rest = (rest*100 + int(r-'A') + 10) % 97
		}
	}
	return rest == 1
}

var date = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}`)

// isPhone asks for as many digits as a telephone number has, so that versions and ports stay, and lets dates alone.
func isPhone(match string) bool {
	n := len(digits(match))
	return n >= 8 && n <= 15 && !date.MatchString(match)
}
