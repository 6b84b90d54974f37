package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// run runs the tools of one answer and returns the message with their results, in the order of the calls.
func (l *Loop) run(ctx context.Context, tools map[string]*Tool, calls []genai.ToolCall) (genai.Message, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	parallel := l.Parallel
	if parallel <= 0 {
		parallel = defaultParallel
	}
	m := genai.Message{Role: genai.RoleTool, Parts: make([]genai.Part, len(calls))}
	var wait sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i, c := range calls {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		// The loop waits for it below. It ends when its tool does, soon after ctx at the latest.
		wait.Go(func() {
			ended := false
			defer func() {
				if !ended { // the tool ended its goroutine, as tests do that fail
					cancel(broken(c.Name))
				}
				<-slots
			}()
			result, err := call(ctx, tools, c)
			ended = true
			if err != nil {
				cancel(err)
				return
			}
			m.Parts[i] = genai.Part{ToolResult: result}
		})
	}
	wait.Wait()
	if err := genai.ContextError(ctx); err != nil {
		if cause, ok := errors.AsType[*genai.Error](context.Cause(ctx)); ok {
			return m, cause
		}
		if ended, ok := errors.AsType[*stop](context.Cause(ctx)); ok {
			return m, genai.AsError(ended.err)
		}
		return m, err
	}
	return m, nil
}

// call runs one tool and returns what the model is told. An error ends the loop.
func call(ctx context.Context, tools map[string]*Tool, c genai.ToolCall) (*genai.ToolResult, error) {
	began := time.Now()
	result := &genai.ToolResult{CallID: c.ID, Name: c.Name}
	parts, err := attempt(ctx, tools, c)
	if ended := genai.ContextError(ctx); ended != nil {
		return nil, ended
	}
	kind := genai.KindOf(err)
	if _, ok := errors.AsType[*misfit](err); ok {
		kind = genai.InvalidRequest
	}
	genai.Emit(ctx, genai.Event{Name: "tool", Target: c.Name, Kind: kind, Elapsed: time.Since(began)})
	if err == nil {
		result.Parts = parts
		return result, nil
	}
	if _, ok := errors.AsType[*stop](err); ok {
		return nil, err
	}
	result.Failed = true
	result.Parts = []genai.Part{{Text: clip(explain(err))}}
	return result, nil
}

// attempt calls a tool, and makes an error of a panic.
func attempt(ctx context.Context, tools map[string]*Tool, c genai.ToolCall) (parts []genai.Part, err error) {
	tool := tools[c.Name]
	if tool == nil {
		return nil, &genai.Error{Kind: genai.NotFound, Message: "there is no such tool; there are: " + strings.Join(slices.Sorted(maps.Keys(tools)), ", ")}
	}
	arguments := json.RawMessage(c.Arguments)
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}") // providers say nothing where there is nothing to say
	}
	if tool.Timeout > 0 {
		late := &genai.Error{Kind: genai.Timeout, Message: fmt.Sprintf("it took longer than %v", tool.Timeout)}
		caller := ctx
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(caller, tool.Timeout, late)
		defer cancel()
		defer func() {
			if _, ok := errors.AsType[*stop](err); err != nil && !ok && ctx.Err() != nil && caller.Err() == nil {
				err = late // what the tool says of its end is a consequence
			}
		}()
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		e := broken(c.Name)
		if v := recover(); v != nil {
			slog.Error("a tool panicked", "tool", c.Name, "panic", v, "stack", string(debug.Stack()))
			e.Err = fmt.Errorf("%v", v)
		}
		parts, err = nil, Stop(e)
	}()
	parts, err = tool.Run(ctx, arguments)
	returned = true
	return parts, err
}

// broken is what becomes of a tool that does not return.
func broken(name string) *genai.Error {
	return &genai.Error{Kind: genai.Internal, Target: name, Message: "the tool panicked", Started: genai.StartedYes}
}

// explain is what a model is told about a failure.
func explain(err error) string {
	if wrong, ok := errors.AsType[*misfit](err); ok {
		return "The arguments do not fit: " + wrong.Error()
	}
	if e, ok := errors.AsType[*genai.Error](err); ok {
		return fmt.Sprintf("It failed (%s): %s", e.Kind, e.Message)
	}
	return "It failed: " + err.Error()
}
