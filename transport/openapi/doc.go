// Package openapi describes what a server serves to those who do not write Go: as a document of OpenAPI 3.1 for tools, and as a page
// for people, with a line of curl for every operation.
//
//	server := &httptransport.Server{Pages: &openapi.Document{}}
//	Answer.Serve(server, desk)
//
// Then GET /openapi.json is the document and GET / the page. Schemas are made from the contract by which both sides of a wire
// compare their versions (see [transport.Spec.Contract]), so that what is described is what travels, messages that contain
// themselves and raw bytes included.
package openapi
