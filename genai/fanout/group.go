package fanout

import (
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/dovetail-go/dovetail/genai"
)

// A group runs branches and waits for them.
type group struct {
	wg    sync.WaitGroup
	abort func(*genai.Error) // tells the branches that their answers are not needed; nil if nothing ends them early

	mu       sync.Mutex
	panicked *branchPanic
}

// A branchPanic is what the caller panics with: it has the stack of the branch, which would be lost otherwise.
type branchPanic struct {
	value any
	stack []byte
}

// Error describes the panic, with the stack of the branch in which it happened.
func (p *branchPanic) Error() string {
	return fmt.Sprintf("a branch panicked: %v\n\n%s", p.value, p.stack)
}

// Unwrap returns what the branch panicked with, if that is an error.
func (p *branchPanic) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// errPanicked is what the other branches of one that panicked are cancelled with.
var errPanicked = &genai.Error{Kind: genai.Cancelled, Message: "another branch panicked"}

// run calls branch with 0 to n-1, each in a goroutine but the first, which runs in the caller's. It returns when all have
// returned.
func (g *group) run(n int, branch func(i int)) {
	g.wg.Add(n - 1)
	for i := 1; i < n; i++ {
		go g.spawned(i, branch) // waited for below
	}
	defer g.wait()
	g.guard(0, branch)
}

func (g *group) spawned(i int, branch func(i int)) {
	defer g.wg.Done()
	g.guard(i, branch)
}

func (g *group) wait() {
	g.wg.Wait()
	if g.panicked != nil {
		panic(g.panicked)
	}
}

func (g *group) guard(i int, branch func(i int)) {
	returned := false
	defer func() {
		if returned {
			return
		}
		value := recover() // nil if the branch ended its goroutine
		if g.abort != nil && (value != nil || i == 0) {
			g.abort(errPanicked) // nobody will see an answer
		}
		if value == nil {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.panicked == nil {
			g.panicked = &branchPanic{value, debug.Stack()}
		}
	}()
	branch(i)
	returned = true
}

// errExited is the failure of a branch that called runtime.Goexit, as a failed test does.
var errExited = &genai.Error{Kind: genai.Internal, Message: "a branch ended its goroutine instead of returning"}
