package ollama

import (
	"context"
	"hash/fnv"
	"io"
	"strconv"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

// thinking is the type of our opaque data: it marks thoughts that may go back to the server that had them.
const thinking = "thinking"

// Chat answers a conversation piece by piece. It is a [genai.Chat].
//
// The stream is handed out when the first text, thought or tool call is there; everything that goes wrong before is an
// error of Chat. Reasoning.Effort is "none" or one of Ollama's words, such as "low"; models that know no degrees take
// every other word for yes. Calls to which the server gave no id get one, other calls of the conversation another.
func (c *Client) Chat(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
	return exchange.Stream(ctx, func(ctx context.Context) (*exchange.Reply, error) { return c.converse(ctx, req, true) })
}

// Complete answers a conversation with the whole answer, which it asks of the server at once. It is a
// [genai.Completer].
func (c *Client) Complete(ctx context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
	return exchange.Whole(ctx, func(ctx context.Context) (*exchange.Reply, error) { return c.converse(ctx, req, false) })
}

// converse sends a request and returns its answer, of which nothing is read yet.
func (c *Client) converse(ctx context.Context, req *genai.ChatRequest, stream bool) (*exchange.Reply, error) {
	return exchange.Dropping(c.Drop, req, func(req *genai.ChatRequest) (*exchange.Reply, error) { return c.ask(ctx, req, stream) })
}

func (c *Client) ask(ctx context.Context, req *genai.ChatRequest, stream bool) (*exchange.Reply, error) {
	x, err := c.begin(ctx, "chat")
	if err != nil {
		return nil, err
	}
	body, err := c.encodeChat(x, req, stream, false)
	if err != nil {
		return nil, err
	}
	accept := "application/json"
	if stream {
		accept = "application/x-ndjson"
	}
	x.Texts = exchange.TextsOf(req)
	if err := x.Post(ctx, "/api/chat", c.header(accept), body); err != nil {
		return nil, err
	}
	a := &answer{x: x, out: x.Reply(ctx), origin: x.Base.Host}
	a.out.Lines(a.take)
	return a.out, nil
}

// An answer decodes the lines of one answer; a whole answer is a single line.
type answer struct {
	x       *exchange.Exchange
	out     *exchange.Reply // where the events go
	origin  string          // where thoughts may go back to
	started bool            // who answers was told
	turn    string          // tells the calls of this answer from those of others
	thought bool            // a thought is there that was not marked yet
	calls   int
	line    line
}

// A line is what one line said.
type line struct {
	model          string
	created        []byte // raw
	text, thinking string
	calls          []call
	done           bool
	reason         string
	failed         bool

	input, output   int
	counted, prompt bool // there are counts, and that of the prompt is among them
}

type call struct {
	id, name  string
	arguments string
}

// take decodes one line and returns what ended the answer, if that did.
func (a *answer) take(text []byte) error {
	l := &a.line
	if err := l.decode(text, !a.started); err != nil {
		return err
	}
	if l.failed {
		return a.x.Problem(text)
	}
	var e genai.ChatEvent
	if !a.started && l.model != "" {
		a.started = true
		e.Start = &genai.ChatStart{Model: l.model}
		if l.created != nil {
			h := fnv.New32a()
			_, _ = h.Write(l.created) // it never fails
			a.turn = strconv.FormatUint(uint64(h.Sum32()), 36) + "_"
		}
	}
	if l.thinking != "" {
		e.Reasoning, a.thought = l.thinking, true
	}
	if a.thought && (l.text != "" || len(l.calls) > 0 || l.done) {
		a.out.Push(e)
		e = genai.ChatEvent{Opaque: &genai.Opaque{Origin: a.origin, Type: thinking}}
		a.thought = false
		a.out.Push(e)
		e = genai.ChatEvent{}
	}
	e.Text = l.text
	for _, c := range l.calls {
		if c.name == "" {
			return a.x.Fail(genai.Malformed, "a tool call has no name")
		}
		a.out.Push(e)
		if c.id == "" {
			c.id = "call_" + a.turn + strconv.Itoa(a.calls)
		}
		e = genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Index: a.calls, ID: c.id, Name: c.name, Arguments: c.arguments}}
		a.calls++
	}
	if l.done {
		e.Finish = &genai.Finish{Reason: reasonOf(l.reason, a.calls > 0), Raw: l.reason}
		if l.counted {
			// The server leaves out the count of a prompt that it knew already.
			e.Usage = &genai.Usage{Input: l.input, Output: l.output, LowerBound: !l.prompt}
		}
	}
	a.out.Push(e)
	if l.done {
		return io.EOF
	}
	return nil
}

// reasonOf translates the server's word. It says "stop", too, when the model waits for its tools.
func reasonOf(raw string, called bool) genai.FinishReason {
	switch {
	case raw == "length":
		return genai.FinishLength
	case called:
		return genai.FinishToolCalls
	case raw == "stop":
		return genai.FinishStop
	}
	return genai.FinishOther
}

// decode reads a line. named says that the model is of interest.
func (l *line) decode(text []byte, named bool) error {
	*l = line{calls: l.calls[:0]}
	s := jsonscan.New(text)
	if s.Next() != '{' {
		s.Fail()
		return s.End()
	}
	s.Open('{')
	for s.More('}') {
		switch string(s.Key()) {
		case "model":
			if named {
				l.model = s.Text()
			} else {
				s.Skip()
			}
		case "created_at":
			l.created = s.Raw()
		case "message":
			l.message(&s)
		case "done":
			l.done = string(s.Raw()) == "true"
		case "done_reason":
			l.reason = s.Text()
		case "prompt_eval_count":
			l.input, l.prompt = s.Integer()
			l.counted = l.counted || l.prompt
		case "eval_count":
			n, ok := s.Integer()
			l.output, l.counted = n, l.counted || ok
		case "error":
			raw := s.Raw()
			l.failed = raw != nil && string(raw) != `""`
		default:
			s.Skip()
		}
	}
	return s.End()
}

func (l *line) message(s *jsonscan.Scanner) {
	if !s.Open('{') {
		return
	}
	for s.More('}') {
		switch string(s.Key()) {
		case "content":
			l.text = s.Text()
		case "thinking":
			l.thinking = s.Text()
		case "tool_calls":
			if s.Open('[') {
				for s.More(']') {
					l.calls = append(l.calls, call{})
					l.calls[len(l.calls)-1].decode(s)
				}
			}
		default:
			s.Skip()
		}
	}
}

func (c *call) decode(s *jsonscan.Scanner) {
	c.arguments = "{}"
	if !s.Open('{') {
		return
	}
	for s.More('}') {
		switch string(s.Key()) {
		case "id":
			c.id = s.Text()
		case "function":
			if !s.Open('{') {
				continue
			}
			for s.More('}') {
				switch string(s.Key()) {
				case "name":
					c.name = s.Text()
				case "arguments":
					if s.Next() == '"' { // not what is documented, but what others do
						c.arguments = s.Text()
					} else if raw := s.Raw(); raw != nil {
						c.arguments = string(raw)
					}
				default:
					s.Skip()
				}
			}
		default:
			s.Skip()
		}
	}
}
