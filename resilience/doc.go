// Package resilience has policies that keep a system answering while its parts fail. Each is a struct whose fields are its
// configuration and whose zero value works, and each guards handlers of any type:
//
//	chat := genai.With(model.Chat, &resilience.Stack{
//		Retry:    &resilience.Retry{Attempts: 3},
//		Breaker:  &resilience.Breaker{Name: "openai"},
//		Timeouts: &resilience.Timeouts{FirstToken: 30 * time.Second},
//	})
//
// A policy lasts as long as the response: a permit is held, a timer runs and a breaker waits for its verdict until the
// stream has ended. What is done about a failure is decided by its [genai.Kind], in one table that belongs to the kinds.
//
// # The order
//
// The order of a [Stack] belongs to its type, and [Check] knows the mistakes of a list that is made by hand. From the outside in:
//
//	Shed        drops what has no chance, before it costs anything
//	  Deadline    bounds everything below, the waits between attempts included
//	    Retry       makes each attempt pass the rest anew
//	      Hedge       asks a second time when an attempt is late, which is none of Retry's business
//	        (route)     each attempt, and each second request, chooses a target; the rest is one for each of them
//	          RateLimit   every attempt counts against what the provider allows
//	          TokenLimit  the same in tokens
//	            Bulkhead    refuses before anything is judged, so that a full house is not taken for a failing target;
//	            Adaptive    the same, of a size that it finds
//	              Breaker     judges what the target itself did
//	                Timeouts    bound one attempt, inside the breaker, which must see what they find
//
// With several targets the router stands between Retry and the rest: retries outside, so that each attempt chooses again,
// and a Bulkhead, a Breaker and Timeouts for each target.
//
// What a policy decides on the way is told to those who [genai.Listen]: events "retry" and "breaker".
package resilience
