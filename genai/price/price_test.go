package price_test

import (
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/price"
)

// dollars makes an Amount of whole millionths of a dollar.
func dollars(millionths int64) price.Amount { return price.Amount(millionths) * (price.Dollar / 1e6) }

func TestCost(t *testing.T) {
	list := price.List()
	for name, c := range map[string]struct {
		model string
		usage genai.Usage
		want  price.Amount // in millionths of a dollar
	}{
		"plain":               {"gpt-4.1", genai.Usage{Input: 1000, Output: 100}, dollars(2000 + 800)},
		"cache read":          {"gpt-4.1", genai.Usage{Input: 1000, CacheRead: 600, Output: 100}, dollars(400*2 + 300 + 800)},
		"reasoning":           {"gpt-4.1", genai.Usage{Input: 1000, Output: 100, Reasoning: 60}, dollars(2000 + 800)},
		"cache write":         {"claude-haiku-4-5", genai.Usage{Input: 1000, CacheRead: 500, CacheWrite: 400, Output: 10}, dollars(100 + 50 + 500 + 50)},
		"no price of its own": {"gpt-4o", genai.Usage{Input: 1000, CacheWrite: 1000}, dollars(2500)},
		"below the tier":      {"gemini-2.5-pro", genai.Usage{Input: 200_000, Output: 1000}, dollars(250_000 + 10_000)},
		"above the tier":      {"gemini-2.5-pro", genai.Usage{Input: 200_001, CacheRead: 1, Output: 1000}, dollars(500_000+15_000) + 250_000},
		"nothing":             {"gpt-4.1", genai.Usage{}, 0},
		"embedding":           {"text-embedding-3-small", genai.Usage{Input: 1_000_000}, dollars(20_000)},
		"dated":               {"gpt-4.1-2025-04-14", genai.Usage{Input: 1}, dollars(2)},
		"dated, another way":  {"claude-sonnet-4-5-20250929", genai.Usage{Input: 1}, dollars(3)},
		"a large sum":         {"gpt-5.4", genai.Usage{Input: 1_000_000_000}, dollars(5_000_000_000)},
	} {
		got, known := list.Cost(c.model, &c.usage)
		if !known || got != c.want {
			t.Errorf("%s: %v, %v, want %v", name, got, known, c.want)
		}
	}
}

// TestUnknown: what is not known is not zero.
func TestUnknown(t *testing.T) {
	list := price.List()
	for name, c := range map[string]struct {
		model string
		usage *genai.Usage
	}{
		"no such model":       {"gpt-1", &genai.Usage{Input: 1}},
		"no name":             {"", &genai.Usage{Input: 1}},
		"another provider's":  {"azure/gpt-4.1", &genai.Usage{Input: 1}},
		"a variant":           {"gpt-4.1-2025", &genai.Usage{Input: 1}},
		"no usage":            {"gpt-4.1", nil},
		"beyond all money":    {"gpt-4.1", &genai.Usage{Input: math.MaxInt}},
		"more read than came": {"gpt-4.1", &genai.Usage{Input: 10, CacheRead: 11}},
		"read and written":    {"claude-haiku-4-5", &genai.Usage{Input: 10, CacheRead: 6, CacheWrite: 6}},
		"more thought than":   {"gpt-4.1", &genai.Usage{Input: 10, Output: 5, Reasoning: 6}},
		"less than nothing":   {"gpt-4.1", &genai.Usage{Input: 10, Output: -1}},
		"output of embedding": {"text-embedding-3-small", &genai.Usage{Input: 1, Output: 1}},
	} {
		if got, known := list.Cost(c.model, c.usage); known || got != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
	free := price.Price{Input: price.PerMillion(0), Output: price.PerMillion(0)}
	if got, known := free.Cost(&genai.Usage{Input: 5, Output: 5}); !known || got != 0 {
		t.Errorf("a price of zero is known: %v, %v", got, known)
	}
	if got, known := (&price.Table{}).Cost("a", &genai.Usage{}); known {
		t.Errorf("an empty table knows %v", got)
	}
}

// TestList: the table that comes with the package is what it says it is.
func TestList(t *testing.T) {
	list := price.List()
	if _, err := time.Parse(time.DateOnly, list.AsOf); err != nil || list.Source == "" || len(list.Models) < 60 {
		t.Errorf("%q, %q, %d models", list.AsOf, list.Source, len(list.Models))
	}
	for name, p := range list.Models {
		if p.Input == nil || *p.Input <= 0 || *p.Input > *price.PerMillion(100) {
			t.Errorf("%s: input", name)
		}
		if p.Output != nil && *p.Output < *p.Input || p.CacheRead != nil && *p.CacheRead >= *p.Input || p.CacheWrite != nil && *p.CacheWrite < *p.Input {
			t.Errorf("%s: %+v", name, p)
		}
		for _, tier := range p.Tiers {
			if tier.Above < 100_000 || *tier.Input <= *p.Input || *tier.Output <= *p.Output {
				t.Errorf("%s: %+v", name, tier)
			}
		}
	}
	list.Models["gpt-4.1"] = price.Price{}
	if p := price.List().Models["gpt-4.1"]; p.Input == nil {
		t.Error("a caller can change the table of others")
	}
}

// TestPricedApart: what has a price of its own has it, in its tier as well.
func TestPricedApart(t *testing.T) {
	m := price.PerMillion
	p := price.Price{Input: m(1), Output: m(10), CacheRead: m(0.1), CacheWrite: m(2), Reasoning: m(20), Tiers: []price.Tier{
		{Above: 1000, Price: price.Price{Output: m(11), CacheRead: m(0.2), CacheWrite: m(3), Reasoning: m(30)}}, {Above: 500, Price: price.Price{Output: m(12)}}}}
	for input, want := range map[int]price.Amount{
		500:  dollars(300 + 200 + 6*10 + 4*20 + 10), // 300 as they came, 100 written, 100 read
		501:  dollars(301 + 200 + 6*12 + 4*20 + 10), // what a tier does not say stays as it is
		1000: dollars(800 + 200 + 6*12 + 4*20 + 10),
		1001: dollars(801 + 300 + 6*11 + 4*30 + 20),
	} {
		if got, known := p.Cost(&genai.Usage{Input: input, CacheRead: 100, CacheWrite: 100, Output: 10, Reasoning: 4}); !known || got != want {
			t.Errorf("%d: %v, want %v", input, got, want)
		}
	}
}

func TestMerge(t *testing.T) {
	base := &price.Table{AsOf: "2026-05-01", Source: "a", Models: map[string]price.Price{"x": {Input: price.PerMillion(1)}, "y": {Input: price.PerMillion(2), Output: price.PerMillion(2)}}}
	over := &price.Table{AsOf: "2026-06-01", Source: "b", Models: map[string]price.Price{"y": {Input: price.PerMillion(3)}, "z": {Input: price.PerMillion(4)}}}
	got := base.Merge(over)
	if got.AsOf != "2026-05-01" || got.Source != "a; b" || len(got.Models) != 3 || *got.Models["y"].Input != dollars(3) || got.Models["y"].Output != nil || *base.Models["y"].Input != dollars(2) {
		t.Errorf("%+v", got)
	}
	if got := (&price.Table{}).Merge(over); len(got.Models) != 2 || got.AsOf != "" {
		t.Errorf("%+v", got)
	}
}

const liteLLM = `{
	"sample_spec": {"input_cost_per_token": 0, "mode": "one of: chat, embedding"},
	"gpt-x": {"input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-07, "input_cost_per_token_above_200k_tokens": 2.5e-06,
		"output_cost_per_token_above_200k_tokens": 1.5e-05, "output_cost_per_token_batches": 5e-06, "max_input_tokens": "many", "mode": "chat", "supports_vision": true},
	"tiny": {"input_cost_per_token": 2.8e-09, "output_cost_per_token": 2.8e-07, "output_cost_per_reasoning_token": 3e-7, "cache_creation_input_token_cost": null},
	"dall-e": {"input_cost_per_pixel": 1e-8}
}`

const modelsDev = `{
	"google": {"id": "google", "models": {"gem-x": {"id": "gem-x", "cost": {"input": 1.25, "output": 10, "cache_read": 0.125, "tiers": [{"input": 2.5, "output": 15, "tier": {"type": "context", "size": 200000}}]}}}},
	"older": {"models": {"a": {"cost": {"input": 1.25, "output": 10, "cache_read": 0.125, "context_over_200k": {"input": 2.5, "output": 15}}},
		"both": {"cost": {"input": 1.25, "output": 10, "cache_read": 0.125, "tiers": [{"input": 2.5, "output": 15, "tier": {"size": 200000}}], "context_over_200k": {"input": 9, "output": 9}}},
		"by night": {"cost": {"input": 1, "output": 1, "tiers": [{"input": 0.5, "tier": {"type": "hours"}}]}}}},
	"reseller": {"models": {"gem-x": {"cost": {"input": 2, "output": 11}}, "free": {"cost": {"input": 0, "output": 0}}, "unknown": {"name": "no price"}}}
}`

func TestLoad(t *testing.T) {
	tier := func(input, output float64) []price.Tier {
		return []price.Tier{{Above: 200_000, Price: price.Price{Input: price.PerMillion(input), Output: price.PerMillion(output)}}}
	}
	x := price.Price{Input: price.PerMillion(1.25), Output: price.PerMillion(10), CacheRead: price.PerMillion(0.125), Tiers: tier(2.5, 15)}
	for name, c := range map[string]struct {
		text string
		want map[string]price.Price
	}{
		"LiteLLM": {liteLLM, map[string]price.Price{"gpt-x": x, "tiny": {Input: price.PerMillion(0.0028), Output: price.PerMillion(0.28), Reasoning: price.PerMillion(0.3)}}},
		"models.dev": {modelsDev, map[string]price.Price{"google/gem-x": x, "gem-x": x, "older/a": x, "older/both": x, "reseller/gem-x": {Input: price.PerMillion(2), Output: price.PerMillion(11)},
			"reseller/free": {Input: price.PerMillion(0), Output: price.PerMillion(0)}}},
		"as documented": {`{"as_of": "2026-10-01", "source": "our contract", "models": {
			"ours": {"input": 0.5, "output": 2, "cache_read": 0.05, "cache_write": 0.6, "reasoning": 3,
				"tiers": [{"above": 200000, "input": 1, "output": 4}]}
		}}`, map[string]price.Price{"ours": {Input: price.PerMillion(0.5), Output: price.PerMillion(2), CacheRead: price.PerMillion(0.05), CacheWrite: price.PerMillion(0.6), Reasoning: price.PerMillion(3), Tiers: tier(1, 4)}}},
		"ours": {`{"as_of": "2026-05-01", "models": {"a": {"input": 0.1234567, "tiers": [{"above": 5, "output": 1}]}}}`,
			map[string]price.Price{"a": {Input: new(price.Amount(123457)), Tiers: []price.Tier{{Above: 5, Price: price.Price{Output: price.PerMillion(1)}}}}}},
	} {
		got, err := price.Load(strings.NewReader(c.text))
		if err != nil || !reflect.DeepEqual(got.Models, c.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "prices", "an array": "[]", "no price": "{}", "something else": `{"a": {"b": 1}, "c": 3}`,
		"negative": `{"a": {"input_cost_per_token": -1}}`, "beyond reason": `{"as_of": "", "models": {"a": {"input": 1e300}}}`, "a cent a token": `{"a": {"input_cost_per_token": 0.011}}`,
		"digits without end": `{"as_of": "", "models": {"a": {"input": 0.` + strings.Repeat("0", 50) + `1}}}`,
		"no number":          `{"as_of": "", "models": {"a": {"input": "much"}}}`, "a negative tier": `{"x": {"models": {"a": {"cost": {"input": 1, "tiers": [{"input": -1}]}}}}}`,
		"a negative price beyond": `{"x": {"models": {"a": {"cost": {"input": 1, "context_over_200k": {"input": -1}}}}}}`,
	} {
		if got, err := price.Load(strings.NewReader(text)); got != nil || genai.KindOf(err) != genai.Malformed {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := price.Load(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, genai.Unavailable) || !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

func TestAmount(t *testing.T) {
	for a, want := range map[price.Amount]string{
		0: "$0.00", price.Dollar: "$1.00", dollars(1_500_000): "$1.50", dollars(1234): "$0.001234", 2800: "$0.0000000028", -dollars(2_250_000): "-$2.25",
		math.MaxInt64: "$9223372.036854775807", math.MinInt64: "-$9223372.036854775808",
	} {
		if got := a.String(); got != want {
			t.Errorf("%d: %s, want %s", int64(a), got, want)
		}
	}
	if d := dollars(1_500_000).Dollars(); d != 1.5 {
		t.Error(d)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(liteLLM)
	f.Add(modelsDev)
	f.Add(`{"as_of": "2026-05-01", "models": {"a": {"input": 0.1, "output": 1e-9, "tiers": [{"above": 5, "output": 1}]}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		table, err := price.Load(strings.NewReader(text))
		if (table == nil) == (err == nil) {
			t.Fatalf("%v, %v", table, err)
		}
		if err != nil {
			return
		}
		for name := range table.Models {
			if cost, known := table.Cost(name, &genai.Usage{Input: 10, Output: 10, CacheRead: 2, Reasoning: 3}); known && cost < 0 {
				t.Errorf("%s costs %v", name, cost)
			}
		}
	})
}
