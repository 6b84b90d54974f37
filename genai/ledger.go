package genai

import (
	"context"
	"slices"
	"sync"
)

// A Ledger says what was tried on behalf of a request before it was answered, or given up: by whatever repeated it, hedged it
// or fell back, here and in the services further in. It stays empty when the first attempt succeeds, and costs nothing then.
// It is complete when the response is over.
//
// It is a context: make one around the caller's, and the calls under it. A Ledger further out is told as well, and a transport
// brings back what was tried on the other side. A nil Ledger is empty and stays so. It is safe for concurrent use.
type Ledger struct {
	context.Context
	mu    sync.Mutex
	tried []Attempt
}

type ledgerKey struct{}

// Value makes the Ledger known to the contexts below it.
func (l *Ledger) Value(key any) any {
	if key == (ledgerKey{}) {
		return l
	}
	return l.Context.Value(key)
}

// LedgerOf returns the innermost Ledger of ctx, or nil if nobody wants to know.
func LedgerOf(ctx context.Context) *Ledger {
	l, _ := ctx.Value(ledgerKey{}).(*Ledger)
	return l
}

// Add notes attempts. It is for those who make more than one: they add each that failed when it has failed, unless its
// error has Attempts, because then somebody further in has done so, and the one that succeeded. A success right after a
// success is the same one, as those further out see it.
func (l *Ledger) Add(attempts ...Attempt) {
	for ; l != nil; l = LedgerOf(l.Context) {
		l.mu.Lock()
		for _, a := range attempts {
			if n := len(l.tried); a.Kind != "" || n == 0 || l.tried[n-1].Kind != "" {
				l.tried = append(l.tried, a)
			}
		}
		l.mu.Unlock()
	}
}

// Attempts returns what was tried, in the order in which it ended.
func (l *Ledger) Attempts() []Attempt {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.tried)
}
