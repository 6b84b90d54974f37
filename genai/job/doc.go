// Package job is the vocabulary for work that takes longer than a call may last, and often longer than a process: batches
// of requests, the training of a model.
//
// A [Service] is four handlers: one submits the work, one looks how it is, one cancels it and one fetches its result. They
// are handlers like all others, so policies guard them one by one and transports carry them. All but the first need nothing
// but the ID of the job. Whoever writes that down can be restarted, and another process can go on:
//
//	status, err := batches.Submit(ctx, bundle) // today: keep status.ID
//	...
//	answers, err := batches.Result(ctx, &job.Ref{ID: id}) // tomorrow, elsewhere
//
// [Service.Wait] is how a job goes on, as a stream that is complete when the job has succeeded. [Service.Do] is all of it at
// once, and a handler again: it can stand wherever a model can.
//
// A job that does not succeed is a [genai.Error] with a Kind: the one that the provider reports if it failed, Cancelled if it
// was cancelled, Timeout if its own time ran out. What was done until then is not lost: the result of a [Batch] has an
// [Outcome] for each request, which is an answer or an error.
package job
