//go:build !unix

package httptransport

import "net"

// pending would report whether something has come over a connection that nobody has read yet, if this system could be asked.
func pending(net.Conn) bool { return false }
