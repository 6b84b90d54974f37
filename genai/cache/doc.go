// Package cache spares calls: [Cache] answers a request again as it was answered before, and [Coalesce] makes one call of
// several that ask the same at the same time. Both are policies, for handlers of any type, streams included:
//
//	embed := genai.With(client.Embed, &cache.Cache{Tenant: cache.Everyone}, &cache.Coalesce{Tenant: cache.Everyone})
//
// Two requests are the same if they are of one type and equal in all fields, whatever these point to, and were made to the
// same wrapped handler on behalf of the same tenant. What a handler knows from its context beside that, such as who
// asks, is not compared. Who may see whose answers is therefore to be said, in Tenant: without it neither policy does
// anything.
//
// A request whose answer is left to chance, such as a chat without a temperature of 0, is not for sharing unless Sampled
// says so: who asks twice may want to hear something else.
//
// Answers are copied, as a transport would copy them, so that nobody gets hold of what somebody else may change. Types
// that cannot travel, such as those with unexported fields, are passed through.
package cache
