// Package wiretest puts tests on the wire: a server that speaks as a provider over real HTTP what a script says, and
// breaks in the ways in which providers, proxies and networks do.
//
//	model := genaitest.Script(genaitest.Pieces("It ", "is ", "now ", "twelve."))
//	server := &wiretest.Server{Chat: model.Chat, Faults: []wiretest.Fault{{After: 3, Then: wiretest.Cut}}}
//	client := &openai.Client{BaseURL: server.Start(t) + "/v1"}
//
// What a model means to say, or how it fails, is the business of package genaitest. What becomes of its bytes is a
// [Fault]: they are cut, held up, sliced or replaced.
//
// [Record] writes down exchanges with a real provider, and [Replay] repeats them. [NoNetwork] makes sure that a test
// does without one. [Server.Client] and Replay work inside a bubble of package testing/synctest.
package wiretest
