// Package route sends each request to one of many handlers. What it makes is a handler again, so routers stand inside
// routers, behind policies, and on either side of a wire.
//
// A [Router] chooses among named targets, by a [Picker] and by who is ready:
//
//	models := route.Among(&route.PeakEWMA{}, route.To("east", east), route.To("west", west))
//	chat := genai.With(models.Handle, &resilience.Retry{})
//
// The retry stands outside, so that every attempt chooses again. A target that was asked for the same request is then
// avoided while there is another one.
//
// Health comes first, the picker second. A target is left out while it is not Ready, which a breaker can say, and while
// it cools down, because it asked to be left alone or because its credential was refused; then it gets its share of the
// calls back step by step. If that leaves nobody, everybody is asked: a router does not make an outage out of a bad
// health check. What a target cannot answer at all (When) it is never asked.
//
//	target := route.Target[*genai.ChatRequest, *genai.ChatResponse]{
//		Name: "east", Handler: genai.With(east, breaker), Ready: breaker.Ready, Credential: "team a",
//	}
//
// A call counts as in flight until its response is over, which for a stream is its
// last piece, and the latency of a target is the time it takes to return: for a stream, the time to its first piece.
//
// [Fallback] asks one handler after the other until one can answer, and [If] decides by the request:
//
//	chat := route.Fallback(cloud, edge)
//	chat := route.FallbackOn(genai.ContextLength, small, large)
//	chat := route.If(isShort, small, large)
//
// [Cascade] asks the next one if an answer is not good enough, and [Mirror] sends copies of the requests to a handler that
// is to be tried. A share of the users for a new version is a Router with [Affinity] and weights.
//
// None of them changes its mind after a response was returned: a stream that is cut later is an error for its reader.
package route
