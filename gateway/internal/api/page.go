package api

import (
	"cmp"
	"encoding/base64"
	"fmt"
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

// listed is what lists have: generations and subjects.
type listed interface {
	GetName() string
	GetCreateTime() *timestamppb.Timestamp
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

// tokenOf is the token of the page that follows an entry.
func tokenOf(g listed) string {
	p := placeOf(g)
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", p.created.UnixNano(), p.name))
}

// after sorts a list and returns what follows the place that a token means.
func after[T listed](list []T, token string) ([]T, error) {
	slices.SortFunc(list, func(a, b T) int { return placeOf(a).compare(placeOf(b)) })
	if token == "" {
		return list, nil
	}
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, badToken()
	}
	var nanos int64
	var last place
	if _, err := fmt.Sscanf(string(data), "%d %s", &nanos, &last.name); err != nil {
		return nil, badToken()
	}
	last.created = time.Unix(0, nanos)
	at, found := slices.BinarySearchFunc(list, last, func(g T, p place) int { return placeOf(g).compare(p) })
	if found {
		at++
	}
	return list[at:], nil
}

func badToken() error {
	return fault.InvalidField("page_token", "it is no token of this list: use next_page_token of the page before, or leave it out")
}
