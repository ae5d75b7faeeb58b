package archive

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Signer is the private key that a box signs its backups with. Sealing to a public
// key proves nothing about who did it; this does. The zero value signs nothing.
type Signer struct{ key ed25519.PrivateKey }

const (
	signerPrefix  = "ed25519:"
	signedContext = "gatehouse backup, format 2\n"
)

// NewSigner makes a key.
func NewSigner() (Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return Signer{key}, err
}

// ParseSigner reads what Secret wrote. An error never quotes it.
func ParseSigner(text string) (Signer, error) {
	seed, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(seed) != ed25519.SeedSize {
		return Signer{}, fmt.Errorf("%w: a key that signs backups has %d hex digits", ErrKey, 2*ed25519.SeedSize)
	}
	return Signer{ed25519.NewKeyFromSeed(seed)}, nil
}

// Secret is the key as text, one line.
func (s Signer) Secret() string { return hex.EncodeToString(s.key.Seed()) + "\n" }

// Public is the public key, "ed25519:" and 64 hex digits, for whoever restores; ""
// of the zero value.
func (s Signer) Public() string {
	if s.key == nil {
		return ""
	}
	return signerPrefix + hex.EncodeToString(s.key.Public().(ed25519.PublicKey))
}

// signed is what a signature is of: a backup's first and last list, of which the
// last has the checksums of all that is between.
func signed(about, contents []byte) []byte {
	first, last := sha256.Sum256(about), sha256.Sum256(contents)
	return append(append([]byte(signedContext), first[:]...), last[:]...)
}

type signature struct {
	Ed25519 string `json:"ed25519"` // hex
}

func (s Signer) sign(about, contents []byte) signature {
	return signature{hex.EncodeToString(ed25519.Sign(s.key, signed(about, contents)))}
}

// by says whether the signer whose Public is text made it.
func (s signature) by(text string, about, contents []byte) bool {
	public, err := hex.DecodeString(strings.TrimPrefix(text, signerPrefix))
	if err != nil || len(public) != ed25519.PublicKeySize {
		return false
	}
	b, err := hex.DecodeString(s.Ed25519)
	return err == nil && ed25519.Verify(public, signed(about, contents), b)
}
