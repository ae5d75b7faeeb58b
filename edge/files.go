package edge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Files are the PEM files of a TLS connection; each may be "".
type Files struct {
	CA        string // who may have signed the other's certificate; "": the machine's list
	Cert, Key string // our own certificate; both or none
}

// maxFile bounds what is read of a file, in bytes.
const maxFile = 1 << 20

var errNoCertificate = errors.New("holds no certificate in PEM")

// Config reads the files. Versions before TLS 1.2 are refused.
func (f Files) Config() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CA != "" {
		pem, err := readBounded(f.CA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s %w", f.CA, errNoCertificate)
		}
	}
	if f.Cert != "" {
		pair, err := f.pair()
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

func (f Files) pair() (tls.Certificate, error) {
	cert, err := readBounded(f.Cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := readBounded(f.Key)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s and %s: %w", f.Cert, f.Key, err)
	}
	return pair, nil
}

// ErrSecret: a file holds no secret that can be used.
var ErrSecret = errors.New("must hold one line of 1 to 4096 printable characters and be readable by its owner alone (mode 0600)")

const maxSecret = 4096

// ReadSecret reads a token or a password from its file. It does not take one that
// others may have read. The errors are the system's and ErrSecret; no error holds
// any of the secret.
func ReadSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s %w", path, ErrSecret)
	}
	text, err := readBounded(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	printable := func(r rune) bool { return r > ' ' && r < 0x7f }
	if secret == "" || len(secret) > maxSecret || strings.ContainsFunc(secret, func(r rune) bool { return !printable(r) }) {
		return "", fmt.Errorf("%s %w", path, ErrSecret)
	}
	return secret, nil
}

// Without is an error whose text does not have the secret in it: who was sent one may
// quote it, and what a link fails by stands in events and goes to other systems.
func Without(err error, secret string) error {
	if err == nil || secret == "" || !strings.Contains(err.Error(), secret) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), secret, "***"))
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // opened for reading
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return text, err
}
