//go:build unix

package httptransport

import (
	"net"
	"syscall"
)

// pending reports whether something has come over a connection that nobody has read yet. It takes nothing away from who reads.
func pending(conn net.Conn) bool {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	c, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	found := false
	_ = c.Control(func(fd uintptr) { // not Read, for which the reader of the connection would have to be waited for
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK) // does not wait: the connections of package net do not block
		found = err == nil && n > 0
	})
	return found
}
