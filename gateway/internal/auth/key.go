package auth

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"regexp"
)

// A key is "fsk_<id>_<secret>": a prefix by which scanners of code and logs know
// it, an id by which it is found, and 256 random bits. Being random, the secret
// needs no slow hash: there is no list of likely ones to try, and every call
// hashes it.
const (
	keyPrefix   = "fsk_"
	idBytes     = 10
	secretBytes = 32
	shown       = 4
)

var (
	keyText   = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)
	keyForm   = regexp.MustCompile(`^fsk_([0-9a-v]{16})_([0-9a-v]{52})$`)
	idForm    = regexp.MustCompile(`^[0-9a-v]{16}$`)
	adminForm = regexp.MustCompile(`^fsk_admin_[0-9A-Za-z]{32,}$`)
)

// NewAdminKey draws an operator's key, as AdminKey reads it.
func NewAdminKey(random io.Reader) (string, error) {
	secret, err := draw(random, secretBytes)
	return keyPrefix + "admin_" + secret, err
}

func draw(random io.Reader, n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("draw a key: %w", err)
	}
	return keyText.EncodeToString(b), nil
}

func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
