package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// A folder of keys holds the certificate of those who vouch for the others, and one file with a key and a certificate for each
// service, for a process that runs several, and for people who call the desk from elsewhere.
const (
	authorityFile = "authority.pem"
	severalFile   = "several.pem"
	keysLast      = 90 * 24 * time.Hour
)

// makeKeys fills a folder with keys for services on hosts, given by their names or addresses with commas between. The key of the
// authority is not kept: whoever wants other keys makes all of them anew.
func makeKeys(folder, hosts string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "supportdesk"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(keysLast),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, authorityFile), block("CERTIFICATE", der), 0o600); err != nil {
		return err
	}
	everybody := append([]string{contract.Person}, contract.Services...)
	names := map[string][]string{severalFile: everybody, contract.Person + ".pem": {contract.Person}}
	for _, service := range contract.Services {
		names[service+".pem"] = []string{service}
	}
	for file, services := range names {
		if err := makeKey(filepath.Join(folder, file), authority, key, services, hosts); err != nil {
			return err
		}
	}
	return nil
}

// makeKey writes the key of one process. Its certificate names the services, which is who it calls as, and the hosts, where it is called.
func makeKey(path string, authority *x509.Certificate, by *ecdsa.PrivateKey, services []string, hosts string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: services[0]},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    slices.Clone(services),
	}
	for host := range strings.SplitSeq("localhost,127.0.0.1,::1,"+hosts, ",") {
		if host = strings.TrimSpace(host); net.ParseIP(host) != nil {
			template.IPAddresses = append(template.IPAddresses, net.ParseIP(host))
		} else if host != "" {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), by)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(block("PRIVATE KEY", private), block("CERTIFICATE", der)...), 0o600)
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// useKeys lets a process show who it is to the others, and ask them. The certificate is read again for every connection, so that it
// can be replaced while the process runs.
func useKeys(remote *httptransport.Remote, folder string, placement transport.Placement) error {
	wrong := func(err error) error {
		return &genai.Error{Kind: genai.InvalidRequest, Field: "-keys", Message: err.Error(), Err: err}
	}
	text, err := os.ReadFile(filepath.Join(folder, authorityFile))
	if err != nil {
		return wrong(err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(text) {
		return wrong(fmt.Errorf("there is no certificate in %s", filepath.Join(folder, authorityFile)))
	}
	path := filepath.Join(folder, severalFile)
	if hosted := slices.DeleteFunc(slices.Clone(contract.Services), func(s string) bool { return !placement.Hosts(s) }); len(hosted) == 1 {
		path = filepath.Join(folder, hosted[0]+".pem")
	}
	own := func() (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(path, path)
		return &c, err
	}
	if _, err := own(); err != nil {
		return wrong(err)
	}
	remote.TLS = &tls.Config{
		RootCAs: trusted, ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own() },
	}
	remote.Identity = &httptransport.Certificates{Names: append([]string{contract.Person}, contract.Services...)}
	return nil
}

// A doorway is the transport of a process that people come to: on this machine they need no certificate, and so can open the page.
type doorway struct {
	*httptransport.Remote
}

// Listen implements [transport.Remote].
func (d doorway) Listen(address string) (transport.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return d.Remote.Listen(address)
	}
	open := *d.Remote
	open.TLS, open.Identity = nil, nil
	return open.Listen(address)
}
