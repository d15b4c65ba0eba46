package api

import (
	"cmp"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/services/fault"
)

// pageSize is how many entries a page has.
func pageSize(asked int32) (int, error) {
	if asked < 0 || asked > maxPage {
		return 0, fault.InvalidField("page_size", "%d is outside 0..%d: 0 means %d", asked, maxPage, defaultPage)
	}
	if asked == 0 {
		return defaultPage, nil
	}
	return int(asked), nil
}

// listed is what lists have: generations, subjects and styles.
type listed interface {
	GetName() string
	GetCreateTime() *timestamppb.Timestamp
}

// listing is one list, as a caller asked for a page of it. Its tokens are signed,
// so that they are good for the same caller and the same filter alone.
type listing struct {
	// sign is as Settings.Sign.
	sign func(purpose string, parts ...string) []byte
	// collection, tenant and filter tell it from other lists.
	collection, tenant, filter string
	// size and token are what was asked.
	size  int32
	token string
}

// pageOf sorts a list, the newest first, and returns the page that was asked for
// and the token of the next one; that is empty when there is none.
func pageOf[T listed](l listing, list []T) ([]T, string, error) {
	list, size, err := restOf(l, list)
	if err != nil || len(list) <= size {
		return list, "", err
	}
	return list[:size], l.tokenOf(placeOf(list[size-1])), nil
}

// restOf sorts a list, the newest first, and returns what follows the page before the
// one that was asked for, and how many of these that has.
func restOf[T listed](l listing, list []T) (rest []T, size int, err error) {
	if size, err = pageSize(l.size); err != nil {
		return nil, 0, err
	}
	slices.SortFunc(list, func(a, b T) int { return placeOf(a).compare(placeOf(b)) })
	if l.token == "" {
		return list, size, nil
	}
	last, err := l.place()
	if err != nil {
		return nil, 0, err
	}
	at, found := slices.BinarySearchFunc(list, last, func(g T, p place) int { return placeOf(g).compare(p) })
	if found {
		at++
	}
	return list[at:], size, nil
}

// place is where something stands in its list: the newest first, the name
// deciding between equals. It outlives the thing itself, so that a page can
// follow one whose last entry has expired.
type place struct {
	created time.Time
	name    string
}

func placeOf(g listed) place {
	return place{g.GetCreateTime().AsTime(), g.GetName()}
}

func (p place) compare(q place) int {
	return cmp.Or(q.created.Compare(p.created), strings.Compare(q.name, p.name))
}

const (
	// signatureSize is how much of a signature a token has, bytes.
	signatureSize = 16
	// timeSize is the length of a time in nanoseconds, bytes.
	timeSize = 8
)

// tokenOf is the token of the page that follows a place: a signature, the time
// and the name.
func (l listing) tokenOf(p place) string {
	at := binary.BigEndian.AppendUint64(nil, uint64(p.created.UnixNano()))
	body := string(at) + p.name
	return base64.RawURLEncoding.EncodeToString(append(l.signature(body), body...))
}

func (l listing) signature(body string) []byte {
	return l.sign("page token", l.collection, l.tenant, l.filter, body)[:signatureSize]
}

// place is where the page before the one that was asked for ended.
func (l listing) place() (place, error) {
	bad := fault.InvalidField("page_token",
		"it is no token of this list: use next_page_token of the page before, with the same filter, or leave it out")
	data, err := base64.RawURLEncoding.DecodeString(l.token)
	if err != nil || len(data) < signatureSize+timeSize {
		return place{}, bad
	}
	body := string(data[signatureSize:])
	if !hmac.Equal(data[:signatureSize], l.signature(body)) {
		return place{}, bad
	}
	nanos := int64(binary.BigEndian.Uint64([]byte(body[:timeSize])))
	return place{time.Unix(0, nanos), body[timeSize:]}, nil
}
