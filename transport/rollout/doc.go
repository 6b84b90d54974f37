// Package rollout moves a service to another place step by step, while calls run. [Rollout] does all of it: it first sends the
// new place copies of calls whose answers nobody gets, then a hundredth of the calls, a tenth, half, and all of them, and goes
// back by itself as soon as the new place does worse than the old one:
//
//	r := &rollout.Rollout{Switch: sw, Service: "moderation", To: "http://10.0.0.7:8081"}
//	err := r.Run(ctx)
//
// [Split] and [Mirror] are its parts: clients of package transport that choose, or copy, call by call. Each works alone, with
// [transport.Switch.Point] or wherever a client is wanted.
package rollout
