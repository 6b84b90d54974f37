package answers

import (
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
)

var passages = []contract.Passage{
	{Title: "Streams", Text: "A stream is a response that is still arriving. It ends with an error if it is cut.\n\n```go\ncode is left out. It is.\n```\n\nClose it."},
	{Title: "Retry", Text: "A retry repeats a call that failed.\n\n- It never repeats a stream that has begun.\n- It waits between attempts.\n\n| a | table |\n"},
}

func answer(t *testing.T, question string, passages []contract.Passage) string {
	t.Helper()
	resp, err := genai.Whole(Offline)(t.Context(), &genai.ChatRequest{Messages: []genai.Message{
		genai.System(contract.Instructions(passages)), genai.User(question),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Model != OfflineModel || resp.Finish.Reason != genai.FinishStop {
		t.Errorf("the answer does not say who made it, or that it is whole: %+v", resp)
	}
	return resp.Text()
}

func TestOfflineQuotesWhatFits(t *testing.T) {
	got := answer(t, "When does a retry repeat a stream?", passages)
	if !strings.Contains(got, "It never repeats a stream that has begun. [2]") {
		t.Errorf("the best sentence is missing: %s", got)
	}
	if !strings.Contains(got, "offline model") {
		t.Errorf("it does not say what it is: %s", got)
	}
	if strings.Contains(got, "code is") || strings.Contains(got, "table") {
		t.Errorf("code and tables are not sentences: %s", got)
	}
	if again := answer(t, "When does a retry repeat a stream?", passages); again != got {
		t.Error("the same question got another answer")
	}
}

func TestOfflineSaysWhenItKnowsNothing(t *testing.T) {
	for _, c := range [][]contract.Passage{nil, passages} {
		if got := answer(t, "Wie wird das Wetter?", c); !strings.Contains(got, "found nothing") {
			t.Errorf("%s", got)
		}
	}
}

func TestInstructionsKeepPassagesApart(t *testing.T) {
	got := contract.PassagesOf(contract.Instructions(passages))
	if len(got) != 2 || got[0] != passages[0].Text || got[1] != strings.TrimSpace(passages[1].Text) {
		t.Errorf("%q", got)
	}
}

func TestTokensAreTheText(t *testing.T) {
	for _, text := range []string{"a", "", " a  b\n\nc ", "Grüße an  alle\n"} {
		var b strings.Builder
		for token := range tokensOf(text) {
			b.WriteString(token)
		}
		if b.String() != text {
			t.Errorf("%q became %q", text, b.String())
		}
	}
}
