package main

import (
	"context"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
)

// TestAskAll: what failed is told where it did, and counted at the end, however many questions come. It was kept once, and a pipe that never
// ended took all memory when the desk was gone.
func TestAskAll(t *testing.T) {
	ask := func(_ context.Context, q *contract.Question) (*genai.Stream[contract.Update], error) {
		return nil, genai.Errorf(genai.Unavailable, "nobody is at the %s", q.Text)
	}
	var out strings.Builder
	err := askAll(t.Context(), ask, strings.NewReader("desk\n\ndoor\n"), &out)
	if err == nil || err.Error() != "2 of 2 questions have no answer" {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"> desk", "nobody is at the desk", "> door", "nobody is at the door"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
}
