package contract_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/contract"
)

type question struct {
	Text string `json:"text"`
	N    int    `json:"n,omitzero"`
}

type reply struct {
	Text string `json:"text"`
}

// Version 2 of them.
type (
	question2 struct {
		Text   []string `json:"text"`
		N      int      `json:"n,omitzero"`
		Locale string   `json:"locale,omitzero"`
	}
	reply2 struct {
		Text string  `json:"text"`
		Cost float64 `json:"cost"`
	}
)

func nobody[Req, Resp any](context.Context, Req) (none Resp, err error) {
	return none, genai.Errorf(genai.Unimplemented, "nobody is here")
}

// serve puts the first version on a network.
func serve(s transport.Server) {
	transport.Op[*question, *reply]{Name: "desk.ask"}.Serve(s, nobody[*question, *reply])
	transport.Op[*question, *genai.Stream[reply]]{Name: "desk.tell", Idempotency: transport.Keyed}.Serve(s, nobody[*question, *genai.Stream[reply]])
	transport.Op[*question, *reply]{Name: "desk.old"}.Serve(s, nobody[*question, *reply])
}

// serve2 puts the second version on a network.
func serve2(s transport.Server) {
	transport.Op[*question2, *reply2]{Name: "desk.ask"}.Serve(s, nobody[*question2, *reply2])
	transport.Op[*question, *reply]{Name: "desk.tell"}.Serve(s, nobody[*question, *reply])
	transport.Op[*question, *reply]{Name: "desk.fresh"}.Serve(s, nobody[*question, *reply])
}

// stored is the contract of the first version, as a file has it.
const stored = `[
{"op":"desk.ask","fingerprint":"c3b0e2bbcd5c29ad","request":"#question","response":"#reply","types":{"question":{"n":"int64?","text":"string"},"reply":{"text":"string"}}},
{"op":"desk.old","request":"#question","response":"#reply","types":{"question":{"n":"int64?","text":"string"},"reply":{"text":"string"}}},
{"op":"desk.tell","idempotency":"keyed","streams":true,"request":"#question","response":"#reply","types":{"question":{"n":"int64?","text":"string"},"reply":{"text":"string"}}}
]`

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(transport.Server)
		want  []string
	}{
		"the same": {serve, nil},
		"another": {serve2, []string{
			"desk.ask, request.locale: it is new and optional",
			"desk.ask, request.text: it was string and is []string (breaking)",
			"desk.ask, response.cost: it is new and always there",
			"desk.fresh: it is new",
			"desk.old: it is gone (breaking)",
			"desk.tell, response: it was a stream of pieces and is a value (breaking)",
			"desk.tell: the idempotency was keyed and is none (breaking)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var now contract.Contract
			c.serve(&now)
			changes, err := now.Compare([]byte(stored))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, change := range changes {
				got = append(got, change.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(c.want, "\n     "))
			}
			text, err := json.Marshal(&now)
			if err != nil {
				t.Fatal(err)
			}
			if changes, err := now.Compare(text); err != nil || len(changes) > 0 {
				t.Errorf("it differs from itself: %v, %v", changes, err)
			}
			var again contract.Contract
			c.serve(&again)
			if second, err := json.Marshal(&again); err != nil || string(second) != string(text) {
				t.Errorf("the same contract is written as %s and as %s, %v", text, second, err)
			}
		})
	}
}

func TestStoredIsNoContract(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "contract", "an object": "{}", "null inside": "[null]", "incomplete": `[{"op":"a.b"}]`,
		"unknown members": `[{"op":"a.b","request":"#a","response":"#b","deadline":1}]`,
		"twice":           `[{"op":"a.b","request":"#a","response":"#b"},{"op":"a.b","request":"#a","response":"#b"}]`,
	} {
		if _, err := new(contract.Contract).Compare([]byte(text)); genai.KindOf(err) != genai.InvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A program tests its contract with the function that serves.
func Example() {
	var now contract.Contract
	serve2(&now)
	changes, err := now.Compare([]byte(stored))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range changes {
		if c.Breaking {
			fmt.Println(c)
		}
	}
	// Output:
	// desk.ask, request.text: it was string and is []string (breaking)
	// desk.old: it is gone (breaking)
	// desk.tell, response: it was a stream of pieces and is a value (breaking)
	// desk.tell: the idempotency was keyed and is none (breaking)
}
