package api

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// place is where a generation stands in the list: the newest first, the name
// deciding between equals. It outlives the generation itself, so that a page
// can follow one whose last entry has expired.
type place struct {
	created time.Time
	name    string
}

func placeOf(g *gatewayv1.Generation) place {
	return place{g.GetCreateTime().AsTime(), g.GetName()}
}

func (p place) compare(q place) int {
	return cmp.Or(q.created.Compare(p.created), strings.Compare(q.name, p.name))
}

// tokenOf is the token of the page that follows a generation.
func tokenOf(g *gatewayv1.Generation) string {
	p := placeOf(g)
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", p.created.UnixNano(), p.name))
}

// after sorts a list and returns what follows the place that a token means.
func after(list []*gatewayv1.Generation, token string) ([]*gatewayv1.Generation, error) {
	slices.SortFunc(list, func(a, b *gatewayv1.Generation) int { return placeOf(a).compare(placeOf(b)) })
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
	at, found := slices.BinarySearchFunc(list, last, func(g *gatewayv1.Generation, p place) int { return placeOf(g).compare(p) })
	if found {
		at++
	}
	return list[at:], nil
}

func badToken() error {
	return fault.InvalidField("page_token", "it is no token of this list: use next_page_token of the page before, or leave it out")
}
