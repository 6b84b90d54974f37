package exchange

import (
	"context"
	"io"
	"net/http"
)

// Delete is [Exchange.Get] for what is to be gone.
func (x *Exchange) Delete(ctx context.Context, path string, h http.Header) error {
	return x.send(ctx, http.MethodDelete, path, h, 0)
}

// Upload is [Exchange.Post] for a body that is too long for memory. It is read once, as it is sent. length is its number of
// bytes, or negative if nobody knows. h says what it is.
func (x *Exchange) Upload(ctx context.Context, path string, h http.Header, body io.Reader, length int64) error {
	x.upload = &uploaded{body, x}
	return x.send(ctx, http.MethodPost, path, h, length)
}

// An uploaded is a body that notes when the first byte is asked for, as a [requestBody] does.
type uploaded struct {
	io.Reader
	x *Exchange
}

func (u *uploaded) Read(p []byte) (int, error) {
	u.x.body.begun.Store(true)
	return u.Reader.Read(p)
}

// Close leaves the reader open: it is the caller's.
func (u *uploaded) Close() error { return nil }

// Named reports whether id can stand in a path as one element of it. It keeps a wrong one from asking for something else.
func Named(id string) bool {
	if id == "" || id == "." || id == ".." {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == ':', c == '~':
		default:
			return false
		}
	}
	return true
}
