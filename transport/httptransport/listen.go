package httptransport

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

func listenError(kind genai.Kind, format string, args ...any) *genai.Error {
	return &genai.Error{Kind: kind, Field: "listen", Started: genai.StartedNo, Message: fmt.Sprintf(format, args...)}
}

// listen opens an address to listen at: "host:port", with or without "http://" in front, or "https://" if the server speaks TLS,
// or "unix:/path".
func listen(text string, encrypted bool) (net.Listener, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return listenUnix(strings.TrimPrefix(path, "//"))
	}
	hostPort := text
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		if scheme != "http" && scheme != "h2c" && (scheme != "https" || !encrypted) {
			return nil, listenError(genai.Unsupported, "cannot listen at %q: servers listen at \"host:port\" or \"unix:/path/of.sock\"", text)
		}
		hostPort = strings.TrimSuffix(rest, "/")
	}
	if _, _, err := net.SplitHostPort(hostPort); err != nil {
		return nil, listenError(genai.InvalidRequest, "cannot listen at %q: servers listen at \"host:port\", such as \"127.0.0.1:8080\", or \"unix:/path/of.sock\"", text)
	}
	l, err := net.Listen("tcp", hostPort)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		e := listenError(genai.Unavailable, "%s is in use: end the program that listens there, or choose another port; port 0 takes a free one", hostPort)
		e.Err = err
		return nil, e
	case err != nil:
		e := listenError(genai.Unavailable, "cannot listen at %s: %v", hostPort, err)
		e.Err = err
		return nil, e
	}
	return l, nil
}

// listenUnix opens a socket in the file system. One that a dead process has left behind is replaced.
func listenUnix(path string) (net.Listener, error) {
	if path == "" {
		return nil, listenError(genai.InvalidRequest, "the path of the socket is missing, as in \"unix:/path/of.sock\"")
	}
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(path) {
		if err = os.Remove(path); err == nil || errors.Is(err, fs.ErrNotExist) {
			l, err = net.Listen("unix", path)
		}
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		e := listenError(genai.Unavailable, "%s is in use: end the program that listens there, or choose another path", path)
		e.Err = err
		return nil, e
	case err != nil:
		e := listenError(genai.Unavailable, "cannot listen at %s: %v", path, err)
		e.Err = err
		return nil, e
	}
	return l, nil
}

// abandoned reports whether there is a socket at which nobody listens.
func abandoned(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return false
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// reachable refuses a listener that other machines can reach, where nobody asks who they are and nobody said that this is as it
// should be.
func (s *Server) reachable(at net.Addr) error {
	if s.Insecure || s.TLS != nil && s.Identity != nil {
		return nil
	}
	switch at := at.(type) {
	case *net.UnixAddr:
		return nil
	case *net.TCPAddr:
		if at.IP.IsLoopback() {
			return nil
		}
	}
	return listenError(genai.Precondition, "%v can be reached from other machines, and nothing asks them who they are: listen at 127.0.0.1, or set TLS and Identity, or Insecure if the network around it can be trusted", at)
}
