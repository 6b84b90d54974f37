// Package contract checks that a change does not break those who call a service, or serve it, in another version. The contract of
// a program is kept in a file of its repository and compared in a test, with the function that puts its services on a network:
//
//	func TestContract(t *testing.T) {
//		var now contract.Contract
//		serve(&now)
//		changes, err := now.Compare(stored) // the bytes of the file
//		...
//	}
//
// Whoever means to change the contract writes it anew, with MarshalJSON. What both sides of a running system do about versions is
// in the documentation of package transport.
package contract
