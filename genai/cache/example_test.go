package cache_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/cache"
)

func ExampleCache() {
	calls := 0
	embed := func(_ context.Context, req *genai.EmbedRequest) (*genai.Embeddings, error) {
		calls++
		return &genai.Embeddings{Vectors: [][]float32{{0.1, 0.2}}}, nil
	}
	cached := genai.With(embed, &cache.Cache{Tenant: cache.Everyone})
	for range 3 {
		resp, err := cached(context.Background(), &genai.EmbedRequest{Input: []string{"dovetail"}})
		fmt.Println(resp.Vectors[0], err)
	}
	fmt.Println("calls:", calls)
	// Output:
	// [0.1 0.2] <nil>
	// [0.1 0.2] <nil>
	// [0.1 0.2] <nil>
	// calls: 1
}

// What one customer was told is no answer for another.
func ExampleCache_tenant() {
	type customer struct{}
	balance := func(ctx context.Context, _ string) (string, error) {
		return fmt.Sprint("the balance of ", ctx.Value(customer{})), nil
	}
	cached := genai.With(balance, &cache.Cache{Tenant: func(ctx context.Context) string {
		name, _ := ctx.Value(customer{}).(string)
		return name // "" is nobody, and is not kept
	}})
	for _, name := range []string{"ann", "bob", "ann"} {
		fmt.Println(cached(context.WithValue(context.Background(), customer{}, name), "what is my balance?"))
	}
	// Output:
	// the balance of ann <nil>
	// the balance of bob <nil>
	// the balance of ann <nil>
}

// Ten people ask the same at the same time, and one call answers them.
func ExampleCoalesce() {
	var calls atomic.Int32
	asked := make(chan struct{}, 10)
	look := func(context.Context, string) (string, error) {
		calls.Add(1)
		for range 10 { // everybody has asked
			<-asked
		}
		return "it is sunny", nil
	}
	ask := genai.With(look, &cache.Coalesce{Tenant: cache.Everyone})
	ctx := genai.Listen(context.Background(), func(e genai.Event) { asked <- struct{}{} }) // "coalesce": another one has joined
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { _, _ = ask(ctx, "what is the weather?") })
	}
	asked <- struct{}{} // the one who began
	all.Wait()
	fmt.Println("calls:", calls.Load())
	// Output: calls: 1
}
