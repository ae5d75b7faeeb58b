package naive

import (
	"bytes"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"os"
)

// Archive writes the night's archive of the files to dst.
func Archive(files []string, key []byte, dst string) error {
	snapshot, err := snapshot(files)
	if err != nil {
		return err
	}
	compressed, err := compress(snapshot)
	if err != nil {
		return err
	}
	encrypted, err := encrypt(compressed, key)
	if err != nil {
		return err
	}
	return os.WriteFile(dst, encrypted, 0o600)
}

func snapshot(files []string) ([]byte, error) {
	var all []byte
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, data...)
	}
	return all, nil
}

func compress(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func encrypt(data, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return gcm.Seal(nonce, nonce, data, nil), nil
}
