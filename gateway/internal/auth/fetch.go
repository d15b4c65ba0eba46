package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// fetchTimeout bounds one request to an issuer.
	fetchTimeout = 5 * time.Second
	// maxDocument bounds what an issuer answers, bytes.
	maxDocument = 1 << 20
)

// errRedirect says that an issuer's addresses are taken as they are.
var errRedirect = errors.New("it redirects elsewhere: name the address itself")

// issuerClient asks issuers. It keeps no connections: keys are fetched seldom.
var issuerClient = &http.Client{
	Timeout:       fetchTimeout,
	Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
}

// FromFile reads keys from a JWKS file.
func FromFile(path string) Fetch {
	return func(context.Context) ([]jose.JSONWebKey, error) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		return parseKeys(data)
	}
}

// FromURL gets keys from the address of a JWKS.
func FromURL(address string) Fetch {
	return func(ctx context.Context) ([]jose.JSONWebKey, error) {
		data, err := get(ctx, address)
		if err != nil {
			return nil, err
		}
		return parseKeys(data)
	}
}

// FromIssuer gets keys from where an issuer's discovery document says (OpenID
// Connect Discovery 1.0, 4).
func FromIssuer(issuer string) Fetch {
	return func(ctx context.Context) ([]jose.JSONWebKey, error) {
		data, err := get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
		if err != nil {
			return nil, fmt.Errorf("discover the issuer: %w", err)
		}
		var document struct {
			Issuer string `json:"issuer"`
			Keys   string `json:"jwks_uri"`
		}
		if err := json.Unmarshal(data, &document); err != nil {
			return nil, fmt.Errorf("read the issuer's discovery document: %w", err)
		}
		if document.Issuer != issuer {
			return nil, fmt.Errorf("the discovery document is of the issuer %q, not %q", document.Issuer, issuer)
		}
		if !SecureURL(document.Keys) {
			return nil, fmt.Errorf("the issuer's jwks_uri %q is no https URL", document.Keys)
		}
		return FromURL(document.Keys)(ctx)
	}
}

// SecureURL tells whether what is fetched from a URL cannot be changed on the way:
// https, or http on this machine.
func SecureURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

func get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := issuerClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", address, res.Status)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err == nil && len(data) > maxDocument {
		err = fmt.Errorf("%s answers more than %d bytes", address, maxDocument)
	}
	return data, err
}

// parseKeys reads a JWKS. Keys of a kind that is not known are left out.
func parseKeys(data []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("read the keys (JWKS): %w", err)
	}
	var keys []jose.JSONWebKey
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(text, &key) == nil {
			keys = append(keys, key)
		}
	}
	return keys, nil
}
