package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/sidecart/sidecart/k8s/cluster/sandbox"
)

// certFor is how long the certificates of one run are good.
const certFor = 24 * time.Hour

// keys are the files by which the API server is known and knows others.
type keys struct {
	ca                 string // who signed the server's certificate
	cert, key          string // the server's
	accounts           string // private key that signs the tokens of service accounts
	adminToken, tokens string // the administrator's token, and the file that tells the server of it
}

// makeKeys writes new ones into the folder.
func makeKeys(dir string) (keys, error) {
	k := keys{
		ca: filepath.Join(dir, "ca.crt"), cert: filepath.Join(dir, "server.crt"), key: filepath.Join(dir, "server.key"),
		accounts: filepath.Join(dir, "accounts.key"), adminToken: rand.Text(), tokens: filepath.Join(dir, "tokens.csv"),
	}
	caKey, err := newKey(filepath.Join(dir, "ca.key"))
	if err != nil {
		return k, err
	}
	ca := certificate(1, "cluster of a test")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	if err := sign(k.ca, ca, ca, caKey, caKey); err != nil {
		return k, err
	}
	serverKey, err := newKey(k.key)
	if err != nil {
		return k, err
	}
	server := certificate(2, "kube-apiserver")
	server.IPAddresses = []net.IP{net.ParseIP(sandbox.Bridge)}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if err := sign(k.cert, server, ca, serverKey, caKey); err != nil {
		return k, err
	}
	if _, err := newKey(k.accounts); err != nil {
		return k, err
	}
	return k, os.WriteFile(k.tokens, []byte(k.adminToken+",admin,admin,system:masters\n"), 0o600)
}

func certificate(serial int64, name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(certFor),
	}
}

func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(path, "EC PRIVATE KEY", der)
}

func sign(path string, cert, by *x509.Certificate, key, byKey *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, cert, by, key.Public(), byKey)
	if err != nil {
		return fmt.Errorf("certificate of %s: %w", cert.Subject.CommonName, err)
	}
	return writePEM(path, "CERTIFICATE", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
