package exchange

import "testing"

func TestUnquoted(t *testing.T) {
	for said, want := range map[string]string{
		"":                             "",
		"max_tokens: must be above 0":  "max_tokens: must be above 0",
		"no such model 'gpt-5-mini'":   "no such model 'gpt-5-mini'",
		"it isn't so, and can't be so": "it isn't so, and can't be so",
		"in 'a prompt that nobody else may see': no":            "in '[removed]': no",
		`in "a prompt that's not for all of you" no`:            `in "[removed]" no`,
		"'model' must be one of 'gpt-5', 'gpt-5-mini' and 'o3'": "'model' must be one of 'gpt-5', 'gpt-5-mini' and 'o3'",
		"in `a prompt that nobody else may see`":                "in `[removed]`",
		"in “a prompt that nobody else may see”, so":            "in “[removed]”, so",
		"in 'a prompt that is not closed, but long":             "in 'a prompt that is not closed, but long",
		"'a' and then 'b', which are short names of it":         "'a' and then 'b', which are short names of it",
	} {
		if got := unquoted(said); got != want {
			t.Errorf("%q became %q, want %q", said, got, want)
		}
	}
}
