package moderation

import (
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

func check(t *testing.T, text string) *genai.Verdict {
	t.Helper()
	v, err := Check(t.Context(), &genai.ModerationRequest{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRedaction(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"write to ann.lee+x@mail.example.org please", "write to [email] please"},
		{"call +44 20 7946 0958 or (030) 901820-15", "call [phone] or [phone]"},
		{"card 4111 1111 1111 1111 was refused", "card [card] was refused"},
		{"IBAN DE89 3704 0044 0532 0130 00 is mine", "IBAN [iban] is mine"},
		{"my key is sk-proj-abcdefghijklmnop1234", "my key is [key]"},
		{"a@b.example and 4111111111111111", "[email] and [card]"},
	} {
		v := check(t, c.in)
		if v.Flagged || v.Redacted == nil || *v.Redacted != c.want {
			t.Errorf("%q became %+v, want %q", c.in, v, c.want)
		}
		if v.Reason == "" {
			t.Errorf("%q: nobody is told what was taken out", c.in)
		}
	}
}

func TestOrdinaryQuestionsPass(t *testing.T) {
	for _, text := range []string{
		"How do I retry a call 3 times with a delay of 200 ms?",
		"It fails with status 503 on port 127.0.0.1:8081 since 2026-11-23.",
		"Order 4111 1111 1111 1112 has no Luhn digit.",
		"Does killing the moderation process hurt the desk?",
		"How do I kill a stuck process, and why is the retry so stupidly slow?",
		"Version 1.26.8 or v2.4.0?",
		"",
	} {
		if v := check(t, text); v.Flagged || v.Redacted != nil {
			t.Errorf("%q: %+v", text, v)
		}
	}
}

func TestAbuseIsRefusedWithAReason(t *testing.T) {
	for text, category := range map[string]string{
		"you are all idiots":         "harassment",
		"shut up and answer":         "harassment",
		"I will find you":            "threat",
		"I want to die":              "self-harm",
		"I'm going to kill them now": "threat",
	} {
		v := check(t, text)
		if !v.Flagged || v.Reason == "" {
			t.Errorf("%q passed: %+v", text, v)
			continue
		}
		if v.Redacted != nil {
			t.Errorf("%q: a refused text has no other form to go on in", text)
		}
		for _, c := range v.Categories {
			if c.Flagged != (c.Name == category) {
				t.Errorf("%q: category %s is %v", text, c.Name, c.Flagged)
			}
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("call +44 20 7946 0958 or ann@example.org")
	f.Add("DE89 3704 0044 0532 0130 00")
	f.Fuzz(func(t *testing.T, text string) {
		v := check(t, text)
		if v.Flagged && (v.Reason == "" || v.Redacted != nil) || v.Redacted != nil && !strings.Contains(*v.Redacted, "[") {
			t.Errorf("%q: %+v", text, v)
		}
	})
}
