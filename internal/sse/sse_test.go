package sse_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/sse"
)

type event struct {
	Type string `json:"type"`
	Data string `json:"data"`
	ID   string `json:"id"`
}

// read returns all events of a stream and what ended it.
func read(r *sse.Reader) (events []event, err error) {
	events = []event{}
	for {
		e, err := r.Next()
		if err != nil {
			return events, err
		}
		got := event{string(e.Type), string(e.Data), string(e.ID)}
		if got.Type == "" {
			got.Type = "message"
		}
		events = append(events, got)
	}
}

// pieces gives its elements one a read.
type pieces [][]byte

func (p *pieces) Read(b []byte) (int, error) {
	for len(*p) > 0 && len((*p)[0]) == 0 {
		*p = (*p)[1:]
	}
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p)[0])
	(*p)[0] = (*p)[0][n:]
	return n, nil
}

func cutAtRandom(rnd *rand.Rand, text []byte) *pieces {
	var p pieces
	for len(text) > 0 {
		n := 1 + rnd.IntN(min(len(text), 9))
		p, text = append(p, text[:n]), text[n:]
	}
	return &p
}

func TestNext(t *testing.T) {
	tests := []struct {
		name, in string
		want     []event
	}{
		{"one event", "data: a\n\n", []event{{"message", "a", ""}}},
		{"without a space", "data:a\n\n", []event{{"message", "a", ""}}},
		{"two spaces", "data:  a\n\n", []event{{"message", " a", ""}}},
		{"name alone is an empty line of data", "data\n\n", []event{{"message", "", ""}}},
		{"two names alone", "data\ndata\n\n", []event{{"message", "\n", ""}}},
		{"lines join", "data: a\ndata: b\ndata:c\n\n", []event{{"message", "a\nb\nc", ""}}},
		{"type and id", "event: x\nid: 7\ndata: a\n\ndata: b\n\n", []event{{"x", "a", "7"}, {"message", "b", "7"}}},
		{"id with NUL", "id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n", []event{{"message", "a", "1"}, {"message", "b", "1"}}},
		{"id without data stays", "id: 1\n\ndata: b\n\n", []event{{"message", "b", "1"}}},
		{"id taken back", "id: 1\ndata: a\n\nid\ndata: b\n\n", []event{{"message", "a", "1"}, {"message", "b", ""}}},
		{"type without data is forgotten", "event: x\n\ndata: b\n\n", []event{{"message", "b", ""}}},
		{"CR", "data: a\rdata: b\r\r", []event{{"message", "a\nb", ""}}},
		{"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", []event{{"message", "a", ""}, {"message", "b", ""}}},
		{"mixed", "data: a\r\ndata: b\r\n\ndata: c\n\r", []event{{"message", "a\nb", ""}, {"message", "c", ""}}},
		{"comments", ": x\ndata: a\n:\n: y\ndata: b\n\n", []event{{"message", "a\nb", ""}}},
		{"one BOM", "\xef\xbb\xbfdata: a\n\n", []event{{"message", "a", ""}}},
		{"two BOMs", "\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", []event{{"message", "b", ""}}},
		{"other case is another field", "Data: a\ndata: b\n\n", []event{{"message", "b", ""}}},
		{"space before the colon is another field", "data : a\n\n", []event{}},
		{"not ended", "data: a\n\ndata: b\n", []event{{"message", "a", ""}}},
		{"nothing", "", []event{}},
		{"part of a BOM", "\xef\xbb", []event{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"at once":          strings.NewReader(tt.in),
				"byte by byte":     iotest.OneByteReader(strings.NewReader(tt.in)),
				"error with bytes": iotest.DataErrReader(strings.NewReader(tt.in)),
			} {
				got, err := read(sse.NewReader(r, 0))
				if err != io.EOF || !slices.Equal(got, tt.want) {
					t.Errorf("%s: got %q, %v, want %q", name, got, err, tt.want)
				}
			}
		})
	}
}

// TestImmediately: an event is there with the last byte of its empty line, also if that is a CR whose LF may follow.
func TestImmediately(t *testing.T) {
	for _, in := range []string{"data: a\n\n", "data: a\r\r", "data: a\r\n\r"} {
		hangs := errors.New("asked for more")
		r := sse.NewReader(io.MultiReader(strings.NewReader(in), iotest.ErrReader(hangs)), 0)
		if e, err := r.Next(); err != nil || string(e.Data) != "a" {
			t.Errorf("%q: got %q, %v", in, e.Data, err)
		}
		if _, err := r.Next(); err != hangs {
			t.Errorf("%q: got %v, want the error of the source", in, err)
		}
		if e, begun := r.Pending(); e.Data != nil || begun {
			t.Errorf("%q: a stream that failed has something pending", in)
		}
	}
}

func TestPending(t *testing.T) {
	tests := []struct {
		in, data string
		begun    bool
	}{
		{"", "", false},
		{"data: a\n\n", "", false},
		{"data: a\n", "a", true},
		{"data: a", "a", true},
		{"data: a\ndata: b", "a\nb", true},
		{"event: x\n", "", true},
		{"da", "", true},
		{": comment", "", false},
		{"data: a\n\n: " + strings.Repeat("x", 9000), "", false},
	}
	for _, tt := range tests {
		r := sse.NewReader(strings.NewReader(tt.in), 0)
		if _, err := read(r); err != io.EOF {
			t.Errorf("%q: %v", tt.in, err)
		}
		if e, begun := r.Pending(); string(e.Data) != tt.data || begun != tt.begun {
			t.Errorf("%q: got %q, %v", tt.in, e.Data, begun)
		}
	}
}

func TestRetry(t *testing.T) {
	tests := []struct {
		in   string
		want time.Duration
		set  bool
	}{
		{"data: a\n\n", 0, false},
		{"retry: 250\n\n", 250 * time.Millisecond, true},
		{"retry: 250\nretry:\nretry: 2.5\nretry: -1\n\n", 250 * time.Millisecond, true},
		{"retry: 99999999999999999999999\n\n", time.Duration(1<<63-1) / time.Millisecond * time.Millisecond, true},
	}
	for _, tt := range tests {
		r := sse.NewReader(strings.NewReader(tt.in), 0)
		_, _ = read(r)
		if got, set := r.Retry(); got != tt.want || set != tt.set {
			t.Errorf("%q: got %v, %v", tt.in, got, set)
		}
	}
}

// TestNoProgress: a source that gives neither bytes nor an error must not hang the reader.
func TestNoProgress(t *testing.T) {
	if _, err := sse.NewReader(idle{}, 0).Next(); err != io.ErrNoProgress {
		t.Errorf("got %v", err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestMax(t *testing.T) {
	for _, in := range []string{"data: 12345\n\n", "data: 12\ndata: 34\n\n", "data: " + strings.Repeat("x", 100), strings.Repeat("x", 100)} {
		r := sse.NewReader(strings.NewReader(in), 4)
		_, err := r.Next()
		if !errors.Is(err, genai.TooLarge) {
			t.Errorf("%.20q: got %v", in, err)
		}
		if _, again := r.Next(); again != err {
			t.Errorf("%.20q: got %v, then %v", in, err, again)
		}
	}
	if got, err := read(sse.NewReader(strings.NewReader("data: 1234\n\ndata: 5\ndata: 6\n\n"), 4)); err != io.EOF || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAppend(t *testing.T) {
	tests := []struct {
		in   sse.Event
		want string
	}{
		{sse.Event{}, "data: \n\n"},
		{sse.Event{Data: []byte("a")}, "data: a\n\n"},
		{sse.Event{Type: []byte("x\ndata: no"), ID: []byte("1\r\n2"), Data: []byte("a\nb\r\nc\rd\n")},
			"event: xdata: no\nid: 12\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"},
	}
	for _, tt := range tests {
		if got := string(sse.AppendEvent(nil, tt.in)); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if got := string(sse.AppendComment(nil, "keep\n\ndata: no")); got != ": keepdata: no\n\n" {
		t.Errorf("got %q", got)
	}
}

// TestCases runs the shared table of streams.
func TestCases(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "sse", "cases.json"))
	if err != nil {
		t.Skip("the shared table of event streams is not here: ", err)
	}
	var table struct {
		Cases []struct {
			Name       string
			Mode       string
			Chunks     [][]byte
			Events     []event
			SpecEvents []event `json:"spec_events"`
			Retry      *int
		}
		Large []struct {
			Name, Prefix, Unit, Suffix, Error string
			Count, Events, Cap                int
			ChunkSize                         int `json:"chunk_size"`
			DataBytes                         int `json:"data_bytes"`
		}
	}
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, c := range table.Cases {
		t.Run(c.Name, func(t *testing.T) {
			want := c.Events
			if c.Mode == "llm" {
				want = c.SpecEvents
			}
			whole := bytes.Join(c.Chunks, nil)
			given := pieces(slices.Clone(c.Chunks))
			for name, src := range map[string]io.Reader{
				"as given":     &given,
				"byte by byte": iotest.OneByteReader(bytes.NewReader(whole)),
				"at once":      bytes.NewReader(whole),
				"at random":    cutAtRandom(rnd, whole),
			} {
				r := sse.NewReader(src, 0)
				got, err := read(r)
				for i := range got {
					got[i].Data = strings.ToValidUTF8(got[i].Data, "\ufffd")
				}
				if err != io.EOF || !slices.Equal(got, want) {
					t.Errorf("%s (seed %d): got %q, %v, want %q", name, seed, got, err, want)
				}
				if retry, set := r.Retry(); c.Retry != nil && (!set || retry != time.Duration(*c.Retry)*time.Millisecond) {
					t.Errorf("%s: retry is %v, %v, want %d", name, retry, set, *c.Retry)
				}
			}
		})
	}
	for _, c := range table.Large {
		t.Run(c.Name, func(t *testing.T) {
			in := c.Prefix + strings.Repeat(c.Unit, c.Count) + c.Suffix
			r := sse.NewReader(&chunked{strings.NewReader(in), c.ChunkSize}, c.Cap)
			events, size := 0, 0
			for {
				e, err := r.Next()
				if err != nil {
					if (c.Error == "") != (err == io.EOF) || c.Error != "" && !errors.Is(err, genai.Kind(c.Error)) {
						t.Errorf("ends with %v", err)
					}
					break
				}
				events, size = events+1, size+len(e.Data)
			}
			if events != c.Events || size != c.DataBytes {
				t.Errorf("%d events of %d bytes, want %d of %d", events, size, c.Events, c.DataBytes)
			}
		})
	}
}

type chunked struct {
	r    io.Reader
	size int
}

func (c *chunked) Read(b []byte) (int, error) { return c.r.Read(b[:min(len(b), c.size)]) }

// TestAllocations: a stream costs its buffer, its events nothing.
func TestAllocations(t *testing.T) {
	stream := strings.Repeat("event: delta\nid: 4\ndata: {\"text\":\"hello\"}\n\n", 10000)
	if n := testing.AllocsPerRun(5, func() {
		r := sse.NewReader(strings.NewReader(stream), 0)
		for {
			if _, err := r.Next(); err != nil {
				return
			}
		}
	}); n > 8 {
		t.Errorf("10000 events cost %v allocations", n)
	}
}

// FuzzReader: the same bytes give the same events however they are cut, within the limit, and what is read can be
// written and read again.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbfevent: a\r\ndata: b\rdata: c\n\n: x\nid: 1\ndata\n\n"), uint64(1))
	f.Add([]byte("retry: 5\ndata: [DONE]\n\n"), uint64(2))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		const limit = 64
		first := sse.NewReader(bytes.NewReader(in), limit)
		events, end := read(first)
		r := sse.NewReader(cutAtRandom(rand.New(rand.NewPCG(seed, 0)), in), limit)
		got, err := read(r)
		if !slices.Equal(got, events) || fmt.Sprint(err) != fmt.Sprint(end) {
			t.Fatalf("cut in pieces: %q, %v; at once: %q, %v", got, err, events, end)
		}
		a, beganA := first.Pending()
		b, beganB := r.Pending()
		if !bytes.Equal(a.Data, b.Data) || !bytes.Equal(a.Type, b.Type) || beganA != beganB {
			t.Fatalf("pending: %q, %v; at once: %q, %v", b, beganB, a, beganA)
		}
		var out []byte
		for _, e := range events {
			if len(e.Data) > limit {
				t.Fatalf("an event of %d bytes", len(e.Data))
			}
			out = sse.AppendEvent(out, sse.Event{Type: []byte(e.Type), ID: []byte(e.ID), Data: []byte(e.Data)})
		}
		again, err := read(sse.NewReader(bytes.NewReader(out), 0))
		for i := range again {
			again[i].ID = events[i].ID // an id cannot be taken back by leaving it out
		}
		if err != io.EOF || !slices.Equal(again, events) {
			t.Fatalf("written and read: %q, %v; want %q", again, err, events)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	line := `data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}` + "\n\n"
	stream := strings.Repeat(line, 256)
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		r := sse.NewReader(strings.NewReader(stream), 0)
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}

func TestPeek(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"\r\n\n":                   "",
		"\xef\xbb\xbf{\"a\": 1}\n": "{\"a\": 1}\n",
		"\n\r\n  {}":               "  {}",
		": hello\ndata: a\n\n":     ": hello\ndata: a\n\n",
	} {
		for name, src := range map[string]io.Reader{
			"at once":          strings.NewReader(in),
			"byte by byte":     iotest.OneByteReader(strings.NewReader(in)),
			"error with bytes": iotest.DataErrReader(strings.NewReader(in)),
		} {
			r := sse.NewReader(src, 0)
			c, err := r.Peek()
			if want == "" && err != io.EOF || want != "" && (err != nil || c != want[0]) {
				t.Errorf("%q, %s: peeked %q, %v", in, name, c, err)
			}
			if rest, err := io.ReadAll(r.Rest()); string(rest) != want || err != nil {
				t.Errorf("%q, %s: the rest is %q, %v", in, name, rest, err)
			}
		}
	}
	r := sse.NewReader(strings.NewReader("\n\ndata: a\n\n"), 0)
	if _, err := r.Peek(); err != nil {
		t.Error(err)
	}
	if got, err := read(r); err != io.EOF || len(got) != 1 || got[0].Data != "a" {
		t.Errorf("after a peek: %v, %v", got, err)
	}
}
