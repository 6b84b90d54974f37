package job_test

import (
	"context"
	"fmt"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/job"
)

// kiln is a service whose jobs are over at the third look. A provider's client makes services that do more.
func kiln() *job.Service[string, string] {
	looks := 0
	return &job.Service[string, string]{
		Submit: func(_ context.Context, clay string) (*job.Status, error) {
			return &job.Status{ID: "pot of " + clay, State: job.Queued}, nil
		},
		Look: func(_ context.Context, ref *job.Ref) (*job.Status, error) {
			looks++
			if looks < 3 {
				return &job.Status{ID: ref.ID, State: job.Running, Done: looks, Total: 3}, nil
			}
			return &job.Status{ID: ref.ID, State: job.Succeeded, Done: 3, Total: 3}, nil
		},
		Result: func(_ context.Context, ref *job.Ref) (string, error) { return "a " + ref.ID, nil },
		Every:  time.Millisecond,
	}
}

// One process submits the work and writes the ID down. Another one, which knows nothing else, waits for the end of it.
func ExampleService() {
	ctx := context.Background()
	service := kiln()
	status, err := service.Submit(ctx, "red clay")
	if err != nil {
		fmt.Println(err)
		return
	}
	id := status.ID // written down

	progress, err := service.Wait(ctx, &job.Ref{ID: id})
	if err != nil {
		fmt.Println(err)
		return
	}
	for status, err := range progress.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(status.State, status.Done, "of", status.Total)
	}
	pot, err := service.Result(ctx, &job.Ref{ID: id})
	fmt.Println(pot, err)
	// Output:
	// running 1 of 3
	// running 2 of 3
	// succeeded 3 of 3
	// a pot of red clay <nil>
}

// A job from its beginning to its end is a handler like any other.
func ExampleService_Do() {
	var make genai.Handler[string, string] = kiln().Do
	fmt.Println(make(context.Background(), "white clay"))
	// Output: a pot of white clay <nil>
}
