package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// keyFolder is a folder of keys, made by the program.
func keyFolder(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "keys")
	if out, errs, err := ask(t, environment(), "", "-keys", folder, "-newkeys", "desk.example"); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	for _, name := range []string{".", "desk.pem", "several.pem"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may read %s: %v, %v", name, info, err)
		}
	}
	return folder
}

// as returns a transport that calls with the certificate of a file; "" is none.
func as(t *testing.T, folder, file string) *httptransport.Remote {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, authorityFile))
	if err != nil {
		t.Fatal(err)
	}
	r := &httptransport.Remote{TLS: &tls.Config{RootCAs: x509.NewCertPool()}}
	r.TLS.RootCAs.AppendCertsFromPEM(text)
	if file != "" {
		own, err := tls.LoadX509KeyPair(filepath.Join(folder, file), filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		r.TLS.Certificates = []tls.Certificate{own}
	}
	return r
}

// loopback is where a process can be reached that listens everywhere: its name need not be known here.
func loopback(t *testing.T, p *process) string {
	t.Helper()
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = net.JoinHostPort("127.0.0.1", u.Port())
	return u.String()
}

// TestKeys: four services that other machines can reach. They know each other, each may do what it is there for, and nobody else may do
// anything. Keys are replaced while they run.
func TestKeys(t *testing.T) {
	folder := keyFolder(t)
	at := map[string]string{}
	var all []string
	for _, service := range []string{"moderation", "retrieval", "answers"} {
		at[service] = loopback(t, start(t, "-serve", service, "-listen", "0.0.0.0:0", "-keys", folder))
		all = append(all, service+"="+at[service])
	}
	elsewhere := strings.Join(all, ",")
	at["desk"] = loopback(t, start(t, "-serve", "desk", "-listen", "0.0.0.0:0", "-keys", folder, "-at", elsewhere))

	answered := func(args ...string) {
		t.Helper()
		out, errs, err := ask(t, environment(), "", append([]string{"-ask", "What is a handler?"}, args...)...)
		if err != nil || !strings.Contains(out, "offline model") || strings.Contains(out, "cannot check") {
			t.Errorf("%v: %v: %s%s", args, err, out, errs)
		}
	}
	answered("-keys", folder, "-at", "desk="+at["desk"]) // a person asks the desk
	answered("-keys", folder, "-at", elsewhere)          // the desk is here

	check := func(remote *httptransport.Remote, service, caller string) error {
		t.Helper()
		c, err := remote.Dial(at[service])
		if err != nil {
			t.Fatal(err)
		}
		defer c.(*httptransport.Client).CloseIdleConnections()
		sw := &transport.Switch{}
		sw.Point(service, at[service], c)
		var client transport.Client = sw
		if caller != "" {
			client = sw.As(caller)
		}
		switch service {
		case "moderation":
			_, err = contract.Moderate.Dial(client)(t.Context(), &genai.ModerationRequest{Text: "hi"})
		case "answers":
			_, err = contract.Health.Dial(client)(t.Context(), &contract.HealthRequest{})
		case "desk":
			var s *genai.Stream[contract.Update]
			if s, err = contract.Ask.Dial(client)(t.Context(), &contract.Question{Text: "What is a handler?"}); err == nil {
				err = s.Close()
			}
		}
		return err
	}
	for name, c := range map[string]struct {
		file, service, caller string
		want                  genai.Kind
	}{
		"the desk checks":                   {"desk.pem", "moderation", "", ""},
		"several, as the desk":              {"several.pem", "moderation", "desk", ""},
		"the search has nothing to check":   {"retrieval.pem", "moderation", "", genai.PermissionDenied},
		"nor if it says that it is another": {"retrieval.pem", "moderation", "desk", genai.PermissionDenied},
		"a person asks":                     {"person.pem", "desk", "", ""},
		"and has the models to himself":     {"person.pem", "answers", "", genai.PermissionDenied},
		"the models do not ask":             {"answers.pem", "desk", "", genai.PermissionDenied},
	} {
		if err := check(as(t, folder, c.file), c.service, c.caller); genai.KindOf(err) != c.want {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	stranger := func(what string, remote *httptransport.Remote) {
		t.Helper()
		for _, service := range []string{"moderation", "desk"} {
			// A client may hear of it only after its handshake, if the connection lasts so long.
			if kind := genai.KindOf(check(remote, service, "")); kind != genai.Unauthenticated && kind != genai.Unavailable {
				t.Errorf("%s at %s: %q", what, service, kind)
			}
		}
	}
	stranger("nobody", as(t, folder, ""))
	foreign := as(t, keyFolder(t), "desk.pem")
	foreign.TLS.RootCAs = as(t, folder, "").TLS.RootCAs
	stranger("somebody with keys of his own", foreign)

	// Of two keys for the desk that the same authority has signed, the second is used from the next connection on.
	serial := func() string {
		t.Helper()
		conn, err := tls.Dial("tcp", strings.TrimPrefix(at["desk"], "https://"), as(t, folder, "person.pem").TLS)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	second, err := os.ReadFile(filepath.Join(folder, "several.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "desk.pem"), second, 0o600); err != nil {
		t.Fatal(err)
	}
	if serial() == before {
		t.Error("the desk still shows its old certificate")
	}
	answered("-keys", folder, "-at", "desk="+at["desk"])
}

// TestKeysAtHome: a desk with keys that only this machine can reach shows its page to everybody there, and to nobody by another name.
func TestKeysAtHome(t *testing.T) {
	folder := keyFolder(t)
	check := start(t, "-serve", "moderation", "-listen", "127.0.0.1:0", "-keys", folder)
	desk := start(t, "-listen", "127.0.0.1:0", "-keys", folder, "-at", "moderation="+check.url)
	if !strings.HasPrefix(check.url, "https://") || !strings.HasPrefix(desk.url, "http://") {
		t.Errorf("the check is at %s, the desk at %s", check.url, desk.url)
	}
	resp, err := http.Get(desk.url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(text), "<title>Dovetail support desk</title>") {
		t.Errorf("the page: %s, %v", resp.Status, err)
	}
	out, errs, err := ask(t, environment(), "", "-ask", "What is a handler? I am ann@example.org", "-at", "desk="+desk.url)
	if err != nil || !strings.Contains(out, "I took out e-mail addresses") {
		t.Errorf("%v: %s%s", err, out, errs)
	}
}
