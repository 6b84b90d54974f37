package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/route"
	"github.com/dovetail-go/dovetail/resilience"
)

func ask() *genai.ChatRequest {
	return &genai.ChatRequest{Messages: []genai.Message{genai.User("Where is my parcel?")}}
}

// The first attempt fails before its first piece, so the caller sees nothing of it.
func Example() {
	model := genaitest.Script(genaitest.Fail(genai.Overloaded), genaitest.Reply("In your mailbox."))
	chat := genai.With(model.Chat, &resilience.Stack{
		Retry:    &resilience.Retry{Base: time.Millisecond},
		Breaker:  &resilience.Breaker{Name: "model"},
		Timeouts: &resilience.Timeouts{FirstToken: 30 * time.Second},
	})
	answer, err := genai.Whole(chat)(context.Background(), ask())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Text())
	// Output: In your mailbox.
}

// When no attempt succeeds the last failure is returned, with all that was tried.
func ExampleRetry() {
	model := genaitest.Script(genaitest.Fail(genai.Overloaded), genaitest.Fail(genai.ServerError))
	chat := genai.With(model.Chat, &resilience.Retry{Attempts: 2, Base: time.Millisecond})

	_, err := chat(context.Background(), ask())
	fmt.Println(errors.Is(err, genai.ServerError))
	for _, attempt := range genai.AsError(err).Attempts {
		fmt.Println(attempt.Kind)
	}
	// Output:
	// true
	// overloaded
	// server_error
}

// To repeat whole answers, also those that break midway, retry what collects them: nobody has seen a piece yet.
func ExampleRetry_whole() {
	model := genaitest.Script(genaitest.Pieces("In ", "your ").Then(genai.Truncated), genaitest.Reply("In your mailbox."))
	chat := genai.With(genai.Whole(model.Chat), &resilience.Retry{Base: time.Millisecond})

	answer, err := chat(context.Background(), ask())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Text())
	// Output: In your mailbox.
}

// What fails again and again is not asked for a while.
func ExampleBreaker() {
	breaker := &resilience.Breaker{
		Name:        "model",
		Consecutive: 1,
		OnChange:    func(from, to resilience.State) { fmt.Println(from, "->", to) },
	}
	model := genaitest.Script(genaitest.Fail(genai.ServerError))
	chat := genai.With(model.Chat, breaker)

	_, _ = chat(context.Background(), ask())
	_, err := chat(context.Background(), ask())
	fmt.Println(errors.Is(err, genai.BreakerOpen), breaker.Ready(), len(model.Calls()))
	breaker.Reset()
	// Output:
	// closed -> open
	// true false 1
	// open -> closed
}

// A budget that several policies share bounds what they add together.
func ExampleBudget() {
	budget := &resilience.Budget{Cap: 2, Floor: -1}
	model := func(context.Context, string) (string, error) { return "", genai.Errorf(genai.ServerError, "down") }
	one := genai.With(model, &resilience.Retry{Budget: budget, Base: time.Millisecond})
	two := genai.With(model, &resilience.Retry{Budget: budget, Base: time.Millisecond})

	_, err := one(context.Background(), "a")
	fmt.Println(len(genai.AsError(err).Attempts), errors.Is(err, genai.BudgetExhausted))
	_, err = two(context.Background(), "b")
	fmt.Println(len(genai.AsError(err).Attempts), errors.Is(err, genai.BudgetExhausted))
	// Output:
	// 3 false
	// 1 true
}

// A permit is held until the stream is over.
func ExampleBulkhead() {
	model := genaitest.Script(genaitest.Reply("In your mailbox."), genaitest.Reply("On its way."))
	chat := genai.With(model.Chat, &resilience.Bulkhead{Max: 1})

	first, _ := chat(context.Background(), ask())
	_, err := chat(context.Background(), ask())
	fmt.Println(errors.Is(err, genai.LimitReached))
	first.Close()
	second, err := chat(context.Background(), ask())
	fmt.Println(err)
	second.Close()
	// Output:
	// true
	// <nil>
}

// A model that falls silent is not waited for.
func ExampleTimeouts() {
	model := genaitest.Script(genaitest.Hang())
	chat := genai.With(model.Chat, &resilience.Timeouts{FirstToken: 10 * time.Millisecond})

	_, err := chat(context.Background(), ask())
	fmt.Println(err)
	// Output: timeout (Timeouts.FirstToken): nothing within 10ms
}

// A Deadline bounds a call with all its attempts, and the stream to its end.
func ExampleDeadline() {
	model := genaitest.Script(genaitest.Hang())
	chat := genai.With(model.Chat, &resilience.Deadline{Total: 10 * time.Millisecond})

	_, err := chat(context.Background(), ask())
	fmt.Println(errors.Is(err, genai.Timeout), genai.AsError(err).Field)
	// Output: true Deadline.Total
}

// What is late is asked of somebody else, and the first answer counts.
func ExampleHedge() {
	slow := genaitest.Script(genaitest.Hang())
	fast := genaitest.Script(genaitest.Reply("In your mailbox."))
	models := route.Among(&route.RoundRobin{}, route.To("slow", slow.Chat), route.To("fast", fast.Chat))
	chat := genai.With(models.Handle, &resilience.Hedge{Delay: 10 * time.Millisecond})

	answer, err := genai.Whole(chat)(context.Background(), ask())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Text())
	// Output: In your mailbox.
}

// What has no room fails at once, and the error says when there is some.
func ExampleRateLimit() {
	model := genaitest.Script(genaitest.Reply("In your mailbox."), genaitest.Reply("On its way."))
	chat := genai.With(genai.Whole(model.Chat), &resilience.RateLimit{Rate: 1.0 / 60, Burst: 1}) // one a minute

	_, err := chat(context.Background(), ask())
	fmt.Println(err)
	_, err = chat(context.Background(), ask())
	fmt.Println(errors.Is(err, genai.LimitReached), genai.AsError(err).RetryAfter.Round(time.Minute))
	// Output:
	// <nil>
	// true 1m0s
}

// What a request may use is reserved, and what it has used is settled when its response is over.
func ExampleTokenLimit() {
	limit := &resilience.TokenLimit{PerMinute: 10_000}
	model := genaitest.Script(genaitest.Reply("In your mailbox.").Usage(12, 5))
	chat := genai.With(model.Chat, limit)

	answer, _ := chat(context.Background(), ask()) // does not bound its answer: a thousand tokens are reserved
	fmt.Println(limit.Left() < 9_900)
	_, _ = genai.FoldChat(answer.All())
	fmt.Println(limit.Left() > 9_900)
	// Output:
	// true
	// true
}

// The number of calls at once follows what the target stands.
func ExampleAdaptive() {
	limit := &resilience.Adaptive{Start: 10}
	model := genaitest.Script(genaitest.Fail(genai.Overloaded))
	chat := genai.With(model.Chat, limit)

	_, _ = chat(context.Background(), ask())
	fmt.Println(limit.Limit())
	// Output: 9
}

// A request that would come too late is not made.
func ExampleShed() {
	model := genaitest.Script()
	chat := genai.With(model.Chat, &resilience.Shed{Least: time.Second})

	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := chat(ctx, ask())
	fmt.Println(errors.Is(err, context.DeadlineExceeded), len(model.Calls()))
	// Output: true 0
}

// A list of one's own may be in a wrong order.
func ExampleCheck() {
	fmt.Println(resilience.Check(&resilience.Breaker{}, &resilience.Retry{}))
	// Output:
	// invalid_request (policies[0]): Breaker around Retry: the breaker would see one result of several attempts, and an outage would have to last longer to be noticed
}
