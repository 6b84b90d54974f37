package ndjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/dovetail-go/dovetail/genai"
)

func Example() {
	r := NewReader(strings.NewReader("{\"n\":1}\r\n\n{\"n\":2}"), 0)
	for {
		line, err := r.Next()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(string(line))
	}
	// Output:
	// {"n":1}
	// {"n":2}
	// EOF
}

func lines(src io.Reader, max int) (all []string, err error) {
	r := NewReader(src, max)
	for {
		line, err := r.Next()
		if err != nil {
			if _, again := r.Next(); again != err {
				return all, fmt.Errorf("first %v, then %v", err, again)
			}
			return all, err
		}
		all = append(all, string(line))
	}
}

func TestReader(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for in, want := range map[string]string{
		"":                    "",
		"a":                   "a",
		"a\nb\n":              "a|b",
		"\n\r\n a \t\n\nb":    "a|b",
		"\xef\xbb\xbfa\nb":    "a|b",
		"\n\xef\xbb\xbfa":     "\xef\xbb\xbfa",
		long + "\n" + long:    long + "|" + long,
		"a\r\n" + long + "\n": "a|" + long,
	} {
		for name, src := range map[string]io.Reader{
			"at once": strings.NewReader(in), "byte by byte": iotest.OneByteReader(strings.NewReader(in)),
			"end with the data": iotest.DataErrReader(strings.NewReader(in)),
		} {
			if got, err := lines(src, 0); strings.Join(got, "|") != want || err != io.EOF {
				t.Errorf("%.30q, %s: got %.60q, %v", in, name, got, err)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	for in, n := range map[string]int{"12345\n12345\n": 2, "12345\n123456\n": 1, "12345\n" + strings.Repeat("6", 10000): 1, "123456": 0} {
		got, err := lines(strings.NewReader(in), 5)
		if len(got) != n || n < 2 && !errors.Is(err, genai.TooLarge) {
			t.Errorf("%.20q: %d lines, %v", in, len(got), err)
		}
	}
	broken := errors.New("broken")
	if got, err := lines(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), 0); len(got) != 1 || err != broken {
		t.Errorf("a line whose end is lost: %q, %v", got, err)
	}
	if _, err := lines(nothing{}, 0); err != io.ErrNoProgress {
		t.Error(err)
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

// TestNoWaiting: a line is there when its end is, however long the next one takes.
func TestNoWaiting(t *testing.T) {
	r := NewReader(io.MultiReader(strings.NewReader("a\n"), iotest.ErrReader(errors.New("asked for more"))), 0)
	if line, err := r.Next(); string(line) != "a" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
}

// FuzzReader: the lines are those that splitting finds, however the input is cut.
func FuzzReader(f *testing.F) {
	f.Add([]byte("a\n\nb\r\nc"), 3)
	f.Add([]byte("\xef\xbb\xbf{}\n"), 9)
	f.Fuzz(func(t *testing.T, in []byte, max int) {
		max = 1 + max&0xff
		var want []string
		tooLong := false
		for _, line := range bytes.Split(in, []byte("\n")) {
			if tooLong = len(line) > max; tooLong {
				break
			}
			want = append(want, string(line))
		}
		if len(want) > 0 {
			want[0] = strings.TrimPrefix(want[0], "\xef\xbb\xbf")
		}
		var full []string
		for _, line := range want {
			if line = strings.Trim(line, " \t\r"); line != "" {
				full = append(full, line)
			}
		}
		for _, src := range []io.Reader{bytes.NewReader(in), iotest.OneByteReader(bytes.NewReader(in)), iotest.HalfReader(bytes.NewReader(in))} {
			got, err := lines(src, max)
			if strings.Join(got, "\n") != strings.Join(full, "\n") || tooLong != errors.Is(err, genai.TooLarge) {
				t.Fatalf("got %q, %v; want %q, too long: %v", got, err, full, tooLong)
			}
		}
	})
}
