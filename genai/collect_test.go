package genai_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

func sum(pieces iter.Seq2[int, error]) (int, error) {
	total := 0
	for n, err := range pieces {
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

func TestCollect(t *testing.T) {
	cut := genai.Errorf(genai.Truncated, "cut")
	failed := errors.New("fold")
	for name, c := range map[string]struct {
		ends  error
		opens error
		fold  func(iter.Seq2[int, error]) (int, error)
		want  int
		err   error
	}{
		"complete":    {io.EOF, nil, sum, 6, nil},
		"cut":         {cut, nil, sum, 0, cut},
		"not opened":  {nil, cut, sum, 0, cut},
		"cut ignored": {cut, nil, func(pieces iter.Seq2[int, error]) (int, error) { _, _ = sum(pieces); return 1, nil }, 0, cut},
		"stops early": {cut, nil, func(pieces iter.Seq2[int, error]) (int, error) {
			for n := range pieces {
				return n + 5, nil
			}
			return 0, nil
		}, 5, nil},
		"fold fails":    {io.EOF, nil, func(pieces iter.Seq2[int, error]) (int, error) { _, _ = sum(pieces); return 1, failed }, 0, failed},
		"reads nothing": {io.EOF, nil, func(iter.Seq2[int, error]) (int, error) { return 1, nil }, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var s *genai.Stream[int]
			h := genai.Collect(func(context.Context, string) (*genai.Stream[int], error) {
				if c.opens != nil {
					return nil, c.opens
				}
				s = count(t, 4, c.ends)
				return s, nil
			}, c.fold)
			got, err := h(t.Context(), "")
			if got != c.want || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("%d, %v, want %d, %v", got, err, c.want, c.err)
			}
			if s != nil && genai.Arriving(s) {
				t.Error("the stream was left open")
			}
		})
	}
}
