package price

import (
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"regexp"
	"strconv"

	"github.com/dovetail-go/dovetail/genai"
)

// Load reads a table in one of three forms, which it tells apart by itself: that of the table of this package (below), the
// model_prices_and_context_window.json of LiteLLM (dollars for a token), and the api.json of models.dev (dollars for a
// million tokens, by provider). Of the last, models are called "provider/model", and those of the providers who made them
// by their own name too. Models without a price are left out, and so are those whose price depends on something else than
// tokens and the length of the prompt; fields that are not understood are passed over: these files grow.
//
// The form of this package has a date, and dollars for a million tokens; what is not known is left out:
//
//	{"as_of": "2026-10-01", "source": "our contract", "models": {
//		"ours": {"input": 0.5, "output": 2, "cache_read": 0.05, "cache_write": 0.6, "reasoning": 3,
//			"tiers": [{"above": 200000, "input": 1, "output": 4}]}
//	}}
func Load(r io.Reader) (*Table, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, genai.Errorf(genai.Unavailable, "the prices cannot be read: %w", err)
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(text, &top); err != nil {
		return nil, malformed("it is not a JSON object")
	}
	if _, ours := top["as_of"]; ours {
		return loadOurs(text)
	}
	t := &Table{Models: map[string]Price{}}
	for name, raw := range top {
		var provider struct {
			Models map[string]struct {
				Cost *million `json:"cost"`
			} `json:"models"`
		}
		if json.Unmarshal(raw, &provider) == nil && provider.Models != nil {
			for model, m := range provider.Models {
				if m.Cost == nil {
					continue
				}
				p, err := m.Cost.price()
				if err == errDepends {
					continue
				}
				if err != nil {
					return nil, malformed(name + "/" + model + ": " + err.Error())
				}
				t.Models[name+"/"+model] = p
				if makers[name] {
					t.Models[model] = p
				}
			}
			continue
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(raw, &fields) != nil || name == "sample_spec" || fields["input_cost_per_token"] == nil && fields["output_cost_per_token"] == nil {
			continue
		}
		p, err := perToken(fields)
		if err != nil {
			return nil, malformed(name + ": " + err.Error())
		}
		t.Models[name] = p
	}
	if len(t.Models) == 0 {
		return nil, malformed("there is no price in it that is understood")
	}
	return t, nil
}

// makers are the providers who made the models that they sell, so that a name without a provider means theirs.
var makers = map[string]bool{
	"openai": true, "anthropic": true, "google": true, "mistral": true, "xai": true, "deepseek": true, "cohere": true, "moonshotai": true,
}

func malformed(why string) error {
	return &genai.Error{Kind: genai.Malformed, Message: "these are no prices: " + why}
}

// A million is prices for a million tokens.
type million struct {
	Input      json.Number `json:"input"`
	Output     json.Number `json:"output"`
	CacheRead  json.Number `json:"cache_read"`
	CacheWrite json.Number `json:"cache_write"`
	Reasoning  json.Number `json:"reasoning"`
	Tiers      []struct {
		million
		Above int `json:"above"` // as we write it
		Tier  struct {
			Type string `json:"type"` // "context", if anything
			Size int    `json:"size"` // as models.dev does
		} `json:"tier"`
	} `json:"tiers"`
	Over200k *million `json:"context_over_200k"` // as models.dev did; where there are tiers, it says the same again
}

// errDepends is a price that a [Price] cannot tell.
var errDepends = errors.New("the price depends on something else")

func (m *million) price() (p Price, err error) {
	for _, f := range []struct {
		to   **Amount
		from json.Number
	}{{&p.Input, m.Input}, {&p.Output, m.Output}, {&p.CacheRead, m.CacheRead}, {&p.CacheWrite, m.CacheWrite}, {&p.Reasoning, m.Reasoning}} {
		if *f.to, err = amountOf(f.from, 1e6); err != nil {
			return p, err
		}
	}
	for _, t := range m.Tiers {
		if t.Tier.Type != "" && t.Tier.Type != "context" {
			return p, errDepends
		}
		q, err := t.million.price()
		if err != nil {
			return p, err
		}
		q.Tiers = nil
		p.Tiers = append(p.Tiers, Tier{Above: max(t.Above, t.Tier.Size), Price: q})
	}
	if m.Over200k != nil && len(m.Tiers) == 0 {
		q, err := m.Over200k.price()
		if err != nil {
			return p, err
		}
		q.Tiers = nil
		p.Tiers = []Tier{{Above: 200_000, Price: q}}
	}
	return p, nil
}

// amountOf reads the price of a token in units of scale picodollars; nil if there is none. Ten thousand dollars for a
// million tokens are beyond all reason.
func amountOf(n json.Number, scale int64) (*Amount, error) {
	if n == "" {
		return nil, nil
	}
	if len(n) > 40 {
		return nil, malformed("a price has too many digits")
	}
	if f, err := n.Float64(); err != nil || f < 0 || f*float64(scale) > float64(Dollar)/100 {
		return nil, malformed("a price is negative, or beyond all reason")
	}
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return nil, malformed("a price is no number")
	}
	r.Mul(r, new(big.Rat).SetInt64(scale))
	r.Add(r, big.NewRat(1, 2)) // rounded: a billionth of a thousandth of a dollar is close enough
	a := Amount(new(big.Int).Quo(r.Num(), r.Denom()).Int64())
	return &a, nil
}

func loadOurs(text []byte) (*Table, error) {
	var in struct {
		AsOf   string             `json:"as_of"`
		Source string             `json:"source"`
		Models map[string]million `json:"models"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, malformed(err.Error())
	}
	t := &Table{AsOf: in.AsOf, Source: in.Source, Models: make(map[string]Price, len(in.Models))}
	for name, m := range in.Models {
		p, err := m.price()
		if err != nil {
			return nil, malformed(name + ": " + err.Error())
		}
		t.Models[name] = p
	}
	return t, nil
}

// liteLLM is what LiteLLM calls the prices.
var liteLLM = map[string]func(p *Price) **Amount{
	"input_cost_per_token":            func(p *Price) **Amount { return &p.Input },
	"output_cost_per_token":           func(p *Price) **Amount { return &p.Output },
	"cache_read_input_token_cost":     func(p *Price) **Amount { return &p.CacheRead },
	"cache_creation_input_token_cost": func(p *Price) **Amount { return &p.CacheWrite },
	"output_cost_per_reasoning_token": func(p *Price) **Amount { return &p.Reasoning },
}

var above = regexp.MustCompile(`^(.+)_above_(\d{1,6})k_tokens$`)

// perToken reads the fields of a model in LiteLLM's file.
func perToken(fields map[string]json.RawMessage) (p Price, err error) {
	tiers := map[int]*Price{}
	for name, raw := range fields {
		to, size := &p, 0
		if m := above.FindStringSubmatch(name); m != nil {
			name = m[1]
			size, _ = strconv.Atoi(m[2]) // it is digits
			if tiers[size] == nil {
				tiers[size] = &Price{}
			}
			to = tiers[size]
		}
		field := liteLLM[name]
		var n json.Number
		if field == nil || json.Unmarshal(raw, &n) != nil {
			continue
		}
		if *field(to), err = amountOf(n, int64(Dollar)); err != nil {
			return p, err
		}
	}
	for size, q := range tiers {
		if q.Input != nil || q.Output != nil || q.CacheRead != nil || q.CacheWrite != nil {
			p.Tiers = append(p.Tiers, Tier{Above: size * 1000, Price: *q})
		}
	}
	return p, nil
}
