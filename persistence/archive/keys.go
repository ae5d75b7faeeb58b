package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"
)

// MaxRecipients is the greatest number of keys that a file is sealed to.
const MaxRecipients = 20

const maxIdentityFile = 64 << 10

// Recipients are the public keys that files are sealed to.
type Recipients []age.Recipient

// Identities are the private keys that open what was sealed.
type Identities []age.Identity

// ParseRecipients reads 1 to 20 X25519 public keys, "age1...".
func ParseRecipients(texts []string) (Recipients, error) {
	if len(texts) == 0 || len(texts) > MaxRecipients {
		return nil, fmt.Errorf("%w: %d recipients, 1 to %d are possible; gatehouse archive keygen makes one", ErrKey, len(texts), MaxRecipients)
	}
	var out Recipients
	for i, text := range texts {
		if slices.Contains(texts[:i], text) {
			return nil, fmt.Errorf("%w: the recipient %q is named twice; leave one out", ErrKey, text)
		}
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return nil, fmt.Errorf("%w: %q is no recipient; it has to be a public key age1... of gatehouse archive keygen or age-keygen", ErrKey, text)
		}
		out = append(out, r)
	}
	return out, nil
}

// ReadIdentities reads an identity file as age-keygen writes it, at most 64 KiB.
// An error never quotes the file.
func ReadIdentities(r io.Reader) (Identities, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxIdentityFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the identity file: %w", err)
	}
	if len(b) > maxIdentityFile {
		return nil, fmt.Errorf("%w: the identity file is longer than %d bytes; name the file that keygen wrote", ErrKey, maxIdentityFile)
	}
	ids, err := age.ParseIdentities(bytes.NewReader(b))
	if err != nil || len(ids) == 0 {
		return nil, fmt.Errorf("%w: this is no identity file; name the file that keygen wrote, which has a line with AGE-SECRET-KEY-1", ErrKey)
	}
	return ids, nil
}

// NewKey makes a key pair: the private key's line for an identity file, and the
// public key for the configuration.
func NewKey() (identity, recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", fmt.Errorf("cannot make a key: %w", err)
	}
	return id.String(), id.Recipient().String(), nil
}

// fileKey is the key of one sealed file, remembered from sealing it until it was
// read back.
type fileKey struct{ key []byte }

// recipients are rs; the first of them also tells k the key.
func (k *fileKey) recipients(rs Recipients) []age.Recipient {
	out := slices.Clone(rs)
	out[0] = overhearing{out[0], k}
	return out
}

// Unwrap makes k an identity of the one file that it is the key of.
func (k *fileKey) Unwrap([]*age.Stanza) ([]byte, error) {
	if len(k.key) == 0 {
		return nil, age.ErrIncorrectIdentity
	}
	return slices.Clone(k.key), nil
}

func (k *fileKey) forget() { clear(k.key) }

type overhearing struct {
	age.Recipient
	by *fileKey
}

func (o overhearing) Wrap(key []byte) ([]*age.Stanza, error) {
	o.by.key = slices.Clone(key)
	return o.Recipient.Wrap(key)
}

// keyError turns what age says when no identity fits into ErrKey; nil for other
// errors.
func keyError(err error) error {
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); !ok {
		return nil
	}
	return fmt.Errorf("%w: it is sealed to other keys than this identity's; name the identity file of a recipient that was configured when it was made", ErrKey)
}
