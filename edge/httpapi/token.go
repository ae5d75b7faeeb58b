package httpapi

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// TokenFile is the name of the token's file in the data directory.
const TokenFile = "api-token"

// Errors of EnsureToken.
var (
	ErrTokenExposed = errors.New("the token's file is not private")
	ErrTokenDamaged = errors.New("the token's file holds no token")
)

const tokenLength = 52 // two of crypto/rand's texts: 256 bits

// EnsureToken reads the token from its file in dir, or makes both (mode 0600) if
// there is no file. Only the owner of dir calls it. It does not take a token
// that others may have read (ErrTokenExposed) or one that is too short to be one
// of ours (ErrTokenDamaged).
func EnsureToken(dir string) (token, path string, err error) {
	path = filepath.Join(dir, TokenFile)
	token, err = readToken(path)
	if errors.Is(err, os.ErrNotExist) {
		token = rand.Text() + rand.Text()
		err = writeToken(dir, path, token)
	}
	if err != nil {
		return "", path, fmt.Errorf("token: %w", err)
	}
	return token, path, nil
}

func readToken(path string) (string, error) {
	named, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if mode := named.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return "", fmt.Errorf("%w: %s has the mode %v, it must be a plain file that only its owner may read (0600): remove it and restart, and a new token is made",
			ErrTokenExposed, path, mode)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if opened, err := f.Stat(); err != nil || !os.SameFile(named, opened) {
		return "", fmt.Errorf("%w: %s was replaced while it was opened: restart", ErrTokenExposed, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 4<<10))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if len(token) < tokenLength || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("%w: %s must be one line of at least %d characters: remove it and restart, and a new token is made",
			ErrTokenDamaged, path, tokenLength)
	}
	return token, nil
}

// writeToken makes the file whole or not at all, whenever the power fails.
func writeToken(dir, path, token string) error {
	f, err := os.CreateTemp(dir, TokenFile+"-*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing of that name
	_, err = f.WriteString(token + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
