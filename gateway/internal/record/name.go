package record

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	collection = "generations/"
	pictures   = "/pictures/"
	idBytes    = 16
)

// ids are written in the one base-32 alphabet that keeps the order of bytes.
var ids = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

var idPattern = regexp.MustCompile(`^[0-9a-v]{26}$`)

// NewID draws an id: 48 bits of milliseconds, then 80 random ones, so that ids
// sort by the time they were drawn.
func NewID(now time.Time, random io.Reader) (string, error) {
	var b [idBytes]byte
	if _, err := io.ReadFull(random, b[6:]); err != nil {
		return "", fmt.Errorf("draw id: %w", err)
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(b[:6], ms[2:])
	return ids.EncodeToString(b[:]), nil
}

// RequestID is the id of what a request with a request id creates. It follows
// from the request id, so that the one write that creates the generation also
// decides between repeated requests; the price is that it does not tell the
// time.
func RequestID(tenant, requestID string) string {
	sum := sha256.Sum256([]byte(tenant + "\x00" + strings.ToLower(requestID)))
	return ids.EncodeToString(sum[:idBytes])
}

// Name is the resource name of a generation.
func Name(id string) string { return collection + id }

// ParseName returns the id in a resource name; false when it is none.
func ParseName(name string) (id string, ok bool) {
	id, ok = strings.CutPrefix(name, collection)
	return id, ok && idPattern.MatchString(id)
}

// ParsePictureName returns the id and index in the name of a result picture;
// false when it is none.
func ParsePictureName(name string) (id string, index int, ok bool) {
	parent, number, found := strings.Cut(name, pictures)
	id, ok = ParseName(parent)
	index, err := strconv.Atoi(number)
	return id, index, ok && found && err == nil && index >= 0 && strconv.Itoa(index) == number
}
