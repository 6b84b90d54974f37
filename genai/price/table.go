package price

import (
	"bytes"
	_ "embed"
	"maps"
	"math"
	"regexp"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// A Price is what the tokens of a model cost, each. A nil field is a price that is not known, unless it says otherwise.
type Price struct {
	Input      *Amount
	Output     *Amount
	CacheRead  *Amount // of input that was read from a cache; nil: as Input
	CacheWrite *Amount // of input that was written to a cache; nil: as Input
	Reasoning  *Amount // of output that is reasoning; nil: as Output
	Tiers      []Tier  // other prices for longer prompts
}

// A Tier is the prices of requests whose whole input is longer than Above tokens. What it does not say stays as it is.
type Tier struct {
	Above int
	Price // without Tiers of its own
}

// Cost returns what usage costs. It reports false if usage is nil, if there are tokens in it that have no known price, or if
// it contradicts itself, since parts that are more than the whole tell nothing. If usage is a lower bound, so is the cost.
func (p Price) Cost(usage *genai.Usage) (Amount, bool) {
	if usage == nil {
		return 0, false
	}
	p = p.tier(usage.Input)
	total, known := Amount(0), true
	add := func(tokens int, price, otherwise *Amount) {
		if price == nil {
			price = otherwise
		}
		switch {
		case tokens == 0:
		case tokens < 0:
			known = false
		case price == nil, *price > 0 && int64(tokens) > math.MaxInt64/8/int64(*price):
			known = false // or more than there is money
		default:
			total += Amount(tokens) * *price
		}
	}
	add(usage.Input-usage.CacheRead-usage.CacheWrite, p.Input, nil)
	add(usage.CacheRead, p.CacheRead, p.Input)
	add(usage.CacheWrite, p.CacheWrite, p.Input)
	add(usage.Output-usage.Reasoning, p.Output, nil)
	add(usage.Reasoning, p.Reasoning, p.Output)
	if !known {
		return 0, false
	}
	return total, true
}

// tier returns the prices for an input of so many tokens: those of the highest tier that it reaches.
func (p Price) tier(input int) Price {
	best := -1
	for i, t := range p.Tiers {
		if input > t.Above && (best < 0 || t.Above > p.Tiers[best].Above) {
			best = i
		}
	}
	if best < 0 {
		return p
	}
	t := p.Tiers[best]
	return Price{
		Input: or(t.Input, p.Input), Output: or(t.Output, p.Output), Reasoning: or(t.Reasoning, p.Reasoning),
		CacheRead: or(t.CacheRead, p.CacheRead), CacheWrite: or(t.CacheWrite, p.CacheWrite),
	}
}

func or(a, b *Amount) *Amount {
	if a != nil {
		return a
	}
	return b
}

// A Table is the prices of models, by name. It must not be changed while it is used.
type Table struct {
	AsOf   string // the date at which the prices were right, such as "2026-05-01"; empty: nobody said
	Source string // where they come from
	Models map[string]Price
}

//go:embed prices.json
var embedded []byte

// List returns the table that comes with the package: first-party prices for text of OpenAI, Anthropic, Google, Mistral and
// xAI, in US dollars, without batches, service tiers, caches that are kept for an hour and tools that are billed apart. The
// caller may change it.
func List() *Table {
	t, err := Load(bytes.NewReader(embedded))
	if err != nil {
		panic("price: the table of the package cannot be read: " + err.Error())
	}
	return t
}

// Merge returns a table with the prices of both; those of over win, model by model. AsOf is the earlier of the dates, since
// no more can be said of the whole.
func (t *Table) Merge(over *Table) *Table {
	merged := &Table{AsOf: t.AsOf, Source: t.Source, Models: maps.Clone(t.Models)}
	if merged.Models == nil {
		merged.Models = map[string]Price{}
	}
	maps.Copy(merged.Models, over.Models)
	if over.AsOf < merged.AsOf {
		merged.AsOf = over.AsOf
	}
	if over.Source != "" {
		merged.Source = strings.TrimPrefix(merged.Source+"; "+over.Source, "; ")
	}
	return merged
}

// Price returns the price of a model. A name that is not in the table is looked for without the date at its end, as in
// "gpt-5-2025-08-07" and "claude-sonnet-4-5-20250929": providers price the model, not the day.
func (t *Table) Price(model string) (Price, bool) {
	if p, ok := t.Models[model]; ok {
		return p, true
	}
	if bare := dated.ReplaceAllString(model, ""); bare != model {
		p, ok := t.Models[bare]
		return p, ok
	}
	return Price{}, false
}

var dated = regexp.MustCompile(`-(20\d\d-\d\d-\d\d|20\d\d[01]\d[0-3]\d)$`)

// Cost returns what usage of a model costs. It reports false where that is not known, see [Price.Cost]; an amount of zero
// with true is a price of zero.
func (t *Table) Cost(model string, usage *genai.Usage) (Amount, bool) {
	p, ok := t.Price(model)
	if !ok {
		return 0, false
	}
	return p.Cost(usage)
}
