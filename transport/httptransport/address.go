package httptransport

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// An address is where a server is.
type address struct {
	scheme string // "http", "https" or "h2c"; "unix"
	host   string // with the port; the path of the socket, if it is one
	path   string // before those of the operations; no slash at its end
}

// String returns the address as it is written, but for what does not matter.
func (a address) String() string {
	if a.scheme == "unix" {
		return "unix:" + a.host
	}
	return a.scheme + "://" + a.host + a.path
}

// hostname returns the host without the port.
func (a address) hostname() string {
	host, _, err := net.SplitHostPort(a.host)
	if err != nil {
		host = a.host
	}
	return strings.Trim(host, "[]")
}

// named reports whether the host has a name that is to be looked up.
func (a address) named() bool {
	_, err := netip.ParseAddr(a.hostname())
	return err != nil && a.scheme != "unix" && !strings.EqualFold(a.hostname(), "localhost")
}

// private reports whether nobody between can listen.
func (a address) private() bool {
	if a.scheme == "https" || a.scheme == "unix" {
		return true
	}
	ip, err := netip.ParseAddr(a.hostname())
	return strings.EqualFold(a.hostname(), "localhost") || err == nil && ip.Unmap().IsLoopback()
}

const forms = `addresses look like "http://host:port", "https://host:port", "h2c://host:port" or "unix:/path/of.sock"`

// parseAddresses understands the addresses of servers, of which there may be several with commas between.
func parseAddresses(text string) ([]address, error) {
	var all []address
	for text != "" || all == nil {
		end := nextAddress(text)
		at, err := parseAddress(strings.TrimSpace(text[:end]))
		if err != nil {
			return nil, err
		}
		if slices.Contains(all, at) {
			return nil, addressError("%v is there twice", at)
		}
		all = append(all, at)
		text = strings.TrimPrefix(text[end:], ",")
	}
	return all, nil
}

// nextAddress returns where the first address ends: at a comma behind which another begins, since the path of a socket may have
// commas too.
func nextAddress(text string) int {
	for i := range len(text) {
		if text[i] != ',' {
			continue
		}
		rest := strings.TrimSpace(text[i+1:])
		for _, scheme := range []string{"http:", "https:", "h2c:", "unix:"} {
			if strings.HasPrefix(rest, scheme) {
				return i
			}
		}
	}
	return len(text)
}

// parseAddress understands the address of a server as clients write it. An address of another transport is
// [genai.Unsupported].
func parseAddress(text string) (address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		if path == "" {
			return address{}, addressError("%q has no path; %s", text, forms)
		}
		return address{scheme: "unix", host: path}, nil
	}
	scheme, _, ok := strings.Cut(text, "://")
	if !ok {
		e := addressError("%q has no scheme; %s", text, forms)
		e.Kind = genai.Unsupported
		return address{}, e
	}
	switch scheme {
	case "http", "https", "h2c":
	default:
		e := addressError("%q is of another transport; %s", text, forms)
		e.Kind = genai.Unsupported
		return address{}, e
	}
	u, err := url.Parse(text)
	if err != nil {
		return address{}, addressError("the address is malformed; %s", forms)
	}
	switch {
	case u.Hostname() == "":
		return address{}, addressError("%q has no host; %s", u.Redacted(), forms)
	case u.User != nil:
		return address{}, addressError("%q has a name or a password in it, which is never sent", u.Redacted())
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return address{}, addressError("%q has something behind the path", u.Redacted())
	}
	return address{scheme: scheme, host: u.Host, path: strings.TrimRight(u.Path, "/")}, nil
}

func addressError(format string, args ...any) *genai.Error {
	return &genai.Error{Kind: genai.InvalidRequest, Field: "address", Started: genai.StartedNo, Message: fmt.Sprintf(format, args...)}
}
