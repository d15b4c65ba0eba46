package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	magic   = "FS"
	version = 1

	idSize     = 8
	secretSize = 32
	// prefix of a header: magic, version, length of the scope's name.
	prefixSize = len(magic) + 2
	nonceSize  = chacha20poly1305.NonceSizeX
)

// Overhead is the most bytes that a sealed value has beside its plaintext.
const Overhead = prefixSize + maxScope + idSize + nonceSize + chacha20poly1305.Overhead

// maxScope is the longest name of a scope.
const maxScope = 63

// key is a data key that is ready to use.
type key struct {
	id   [idSize]byte
	aead cipher.AEAD
	// names is the key of names that tell nothing.
	names []byte
}

// newKey derives the keys of the two uses, so that neither says anything about
// the other.
func newKey(id, secret []byte) (*key, error) {
	if len(id) != idSize || len(secret) != secretSize {
		return nil, fmt.Errorf("a data key has %d and %d bytes, not %d and %d", len(id), len(secret), idSize, secretSize)
	}
	k := &key{}
	copy(k.id[:], id)
	content, err := hkdf.Key(sha256.New, secret, nil, "facestudio seal 1: content", chacha20poly1305.KeySize)
	if err == nil {
		k.aead, err = chacha20poly1305.NewX(content)
	}
	if err == nil {
		k.names, err = hkdf.Key(sha256.New, secret, nil, "facestudio seal 1: names", sha256.Size)
	}
	if err != nil {
		return nil, fmt.Errorf("derive from a data key: %w", err)
	}
	return k, nil
}

// seal returns the sealed form of a value.
func (k *key) seal(of Scope, at Place, nonce [nonceSize]byte, value []byte) []byte {
	out := make([]byte, 0, prefixSize+len(of.Name)+idSize+nonceSize+len(value)+chacha20poly1305.Overhead)
	out = append(out, magic...)
	out = append(out, version, byte(len(of.Name)))
	out = append(out, of.Name...)
	out = append(out, k.id[:]...)
	associated := associate(out, of.Tenant, at)
	out = append(out, nonce[:]...)
	return k.aead.Seal(out, nonce[:], value, associated)
}

// box is a sealed value, taken apart.
type box struct {
	scope string
	id    [idSize]byte
	// header is what comes before the nonce.
	header, nonce, ciphertext []byte
}

// parse takes a sealed value apart. It fails with ErrUnreadable.
func parse(sealed []byte) (box, error) {
	var b box
	if len(sealed) < prefixSize || string(sealed[:len(magic)]) != magic {
		return b, fmt.Errorf("open a value without the header of a sealed one: %w", ErrUnreadable)
	}
	if v := sealed[len(magic)]; v != version {
		return b, fmt.Errorf("open a value that was sealed by version %d, not %d: %w", v, version, ErrUnreadable)
	}
	scopeEnd := prefixSize + int(sealed[prefixSize-1])
	headerEnd := scopeEnd + idSize
	if len(sealed) < headerEnd+nonceSize+chacha20poly1305.Overhead {
		return b, fmt.Errorf("open a value of %d bytes, which was cut: %w", len(sealed), ErrUnreadable)
	}
	b.scope = string(sealed[prefixSize:scopeEnd])
	copy(b.id[:], sealed[scopeEnd:headerEnd])
	b.header, b.nonce, b.ciphertext = sealed[:headerEnd], sealed[headerEnd:headerEnd+nonceSize], sealed[headerEnd+nonceSize:]
	return b, nil
}

func (k *key) open(tenant string, at Place, b box) ([]byte, error) {
	value, err := k.aead.Open(nil, b.nonce, b.ciphertext, associate(b.header, tenant, at))
	if err != nil {
		return nil, fmt.Errorf("open a %s: %w", at.Purpose, ErrUnreadable)
	}
	return value, nil
}

// associate writes what a value belongs to so that no two places run into each
// other.
func associate(header []byte, tenant string, at Place) []byte {
	var out []byte
	for _, part := range []string{string(header), tenant, at.Purpose, at.Name} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part)))
		out = append(out, part...)
	}
	return out
}

// name is the HMAC of a text.
func (k *key) name(purpose, text string) []byte {
	mac := hmac.New(sha256.New, k.names)
	mac.Write(associate(nil, "", Place{purpose, text}))
	return mac.Sum(nil)
}
