package genaitest_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/route"
)

func TestProviderDies(t *testing.T) {
	cloud := genaitest.Script(genaitest.Pieces("It ", "is ", "now ").Then(genai.Truncated))
	edge := genaitest.Script(genaitest.Reply("Twelve."))
	answer := route.Fallback(genai.Whole(cloud.Chat), edge.Complete) // what is to be tested
	resp, err := answer(t.Context(), &genai.ChatRequest{Messages: []genai.Message{genai.User("What time is it?")}})
	if err != nil || resp.Text() != "Twelve." || cloud.Calls()[0].Pieces != 3 {
		t.Errorf("%v, %v", resp, err)
	}
	edge.Verify(t) // it was asked once, and no more
}

// TestPackageComment: the test above is what the documentation begins with, and ten lines.
func TestPackageComment(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	tested, err := os.ReadFile("dies_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder // the first piece of code
	for line := range strings.Lines(string(doc)) {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			shown.WriteString(code)
		} else if shown.Len() > 0 {
			break
		}
	}
	test := regexp.MustCompile(`(?ms)^func TestProviderDies.*?^}\n`).FindString(string(tested))
	if shown.String() != test || strings.Count(test, "\n") != 10 {
		t.Errorf("the documentation shows\n%s\nand what is tested is\n%s", shown.String(), test)
	}
}
