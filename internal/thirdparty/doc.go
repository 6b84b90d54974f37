// Package thirdparty tests the model clients against servers that others have written: mocks of the providers, and a gateway. It is asked
// for by name, since it installs them:
//
//	go test -tags thirdparty ./internal/thirdparty
//
// testdata/package.json says which, and in which versions. They are installed in the cache of the user, by npm.
package thirdparty
