package openai

import "github.com/dovetail-go/dovetail/genai"

// calls are the tool calls of one answer. Servers number them well, badly or not at all, so a piece finds its call by
// all that it says.
type calls struct {
	open []call
}

type call struct {
	index     int // as the provider numbers it
	indexed   bool
	id        string // as the provider names it; empty if it did not
	arguments bool   // some came
}

func (c *calls) any() bool { return len(c.open) > 0 }

// add finds the call that a piece belongs to and returns the piece with our own number.
func (c *calls) add(p *callPiece, position int) *genai.ToolCallDelta {
	i := c.find(p)
	d := &genai.ToolCallDelta{Name: p.name, Arguments: p.arguments}
	if i < 0 {
		i = len(c.open)
		c.open = append(c.open, call{index: p.index, indexed: p.indexed})
		if d.ID = p.id; d.ID == "" {
			d.ID = synthetic(i)
		}
	} else if c.open[i].id == "" {
		d.ID = p.id
	}
	d.Index = i
	if p.id != "" {
		c.open[i].id = p.id
	}
	c.open[i].arguments = c.open[i].arguments || p.arguments != ""
	return d
}

// find returns the number of the call that a piece goes on with, or -1 if it begins one. Another id begins another call,
// whatever its index says; a piece without index goes on with the call of its id, or else with the last one, unless it
// has a name, which only the first piece of a call has.
func (c *calls) find(p *callPiece) int {
	for i := len(c.open) - 1; i >= 0; i-- {
		known := &c.open[i]
		switch {
		case p.id != "" && known.id == p.id && (!p.indexed || !known.indexed || p.index == known.index):
			return i
		case p.indexed && known.indexed && p.index == known.index:
			if p.id == "" || known.id == "" {
				return i
			}
			return -1
		}
	}
	if p.indexed || p.id != "" || p.name != "" {
		return -1
	}
	return len(c.open) - 1
}

// withoutArguments returns what completes the calls that came without arguments: those of no arguments.
func (c *calls) withoutArguments() (rest []*genai.ToolCallDelta) {
	for i := range c.open {
		if !c.open[i].arguments {
			c.open[i].arguments = true
			rest = append(rest, &genai.ToolCallDelta{Index: i, Arguments: "{}"})
		}
	}
	return rest
}
