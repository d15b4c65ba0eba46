// Package tenant is what an operator grants each tenant: the limits that the
// tenants file sets, read anew when the file changes.
package tenant

import (
	"encoding/base64"
	"errors"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// The bounds of a picture that nobody may exceed: what is read at all.
const (
	maxUploadBytes  = 16 << 20
	maxUploadPixels = 50_000_000
)

// Limits are what one tenant may do. The keys of the file are the fields' tags.
type Limits struct {
	// Weight is the tenant's share of the work relative to the others', above 0.
	// Unless it is set: 1.
	Weight float64 `yaml:"weight"`
	// Running is how many of its generations are worked on at once, in all of the
	// mesh; 0 means no bound.
	Running int `yaml:"running"`
	// InFlight is how many of its generations may be queued and running, all
	// together and in all of the mesh; more are refused. 0 means no bound. Unless
	// it is set: 200.
	InFlight int `yaml:"in-flight"`
	// Watches is how many calls that follow a generation, WatchGeneration and
	// GetGeneration with a wait, each gateway has open for it at once; more are
	// refused. 0 means no bound. Unless it is set: 1,000.
	Watches int `yaml:"watches"`
	// RequestsPerSecond is how many calls of the API each gateway takes from it, on
	// average; fractions are possible, and 0 means no bound.
	RequestsPerSecond float64 `yaml:"requests-per-second"`
	// Burst is how many calls a gateway takes from it at once; 0 means as many as
	// in one second, at least one. Of no use without RequestsPerSecond.
	Burst int `yaml:"burst"`
	// PicturesPerDay is how many pictures it may ask for from midnight to midnight
	// UTC, in all of the mesh; 0 means no bound.
	PicturesPerDay int64 `yaml:"pictures-per-day"`
	// UploadBytes is the most bytes of an encoded picture that it sends; 0 means
	// 16 MiB, which is also the most.
	UploadBytes int `yaml:"upload-bytes"`
	// UploadPixels is the most pixels of a picture that it sends; 0 means 50
	// million, which is also the most.
	UploadPixels int `yaml:"upload-pixels"`
	// RequireConsent refuses to enrol a subject without a reference to the person's
	// consent.
	RequireConsent bool `yaml:"require-consent"`
	// Classes are the classes of work that it may ask for, interactive and batch; a
	// call that names none has the first. Empty means both.
	Classes []string `yaml:"classes"`
	// PictureURLs lets it give pictures by URL, which the gateway reads.
	PictureURLs bool `yaml:"picture-urls"`
	// Webhook is how the ends of its generations are told.
	Webhook Webhook `yaml:"webhook"`
}

// Webhook is what an operator sets about telling a tenant the ends of its
// generations.
type Webhook struct {
	// URL is told the end of generations that name none themselves. Empty: none is.
	URL string `yaml:"url"`
	// Secrets sign the messages, each "whsec_" and base64 of 24 to 64 random bytes.
	// Several, while one is being replaced, all sign. Empty: nothing is told, and
	// generations that want it are refused.
	Secrets []config.Secret `yaml:"secrets"`
}

// Default is what a tenant has that no file says anything about.
func Default() Limits { return Limits{Weight: 1, InFlight: 200, Watches: 1000} }

// validate adds what is wrong to the problems, by name.
func (l Limits) validate(at string, p *config.Problems) {
	check := func(ok bool, name, format string, args ...any) { p.Check(ok, at+"."+name, format, args...) }
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	check(l.Weight > 0 && finite(l.Weight), "weight", "%v is no share: give a number above 0", l.Weight)
	check(l.Running >= 0, "running", "%d is negative: 0 is no bound", l.Running)
	check(l.InFlight >= 0, "in-flight", "%d is negative: 0 is no bound", l.InFlight)
	check(l.Watches >= 0, "watches", "%d is negative: 0 is no bound", l.Watches)
	check(l.RequestsPerSecond >= 0 && finite(l.RequestsPerSecond), "requests-per-second", "%v is no rate: give a number above 0, or 0 for no bound", l.RequestsPerSecond)
	check(l.Burst >= 0, "burst", "%d is negative: 0 is as many as in one second", l.Burst)
	check(l.Burst == 0 || l.RequestsPerSecond > 0, "burst", "it bounds nothing without requests-per-second: give that too, or leave burst out")
	check(l.PicturesPerDay >= 0, "pictures-per-day", "%d is negative: 0 is no bound", l.PicturesPerDay)
	check(l.UploadBytes >= 0 && l.UploadBytes <= maxUploadBytes, "upload-bytes", "%d is outside 0..%d: 0 is the most", l.UploadBytes, maxUploadBytes)
	check(l.UploadPixels >= 0 && l.UploadPixels <= maxUploadPixels, "upload-pixels", "%d is outside 0..%d: 0 is the most", l.UploadPixels, maxUploadPixels)
	for i, secret := range l.Webhook.Secrets {
		_, err := ParseSecret(secret)
		check(err == nil, "webhook.secrets", "number %d is no secret: give whsec_ and base64 of 24 to 64 random bytes", i+1)
	}
	if u := l.Webhook.URL; u != "" {
		parsed, err := url.Parse(u)
		check(err == nil && (parsed.Scheme == "https" || parsed.Scheme == "http") && parsed.Host != "", "webhook.url", "it is no URL: use https://host/path")
		check(len(l.Webhook.Secrets) > 0, "webhook.url", "it needs webhook.secrets, with which messages are signed")
	}
	for _, class := range l.Classes {
		check(class == jobqueue.Interactive || class == jobqueue.Batch, "classes", "%q is no class: use %s and %s", class, jobqueue.Interactive, jobqueue.Batch)
	}
}

// The form of a secret, by the specification of Standard Webhooks.
const (
	secretPrefix = "whsec_"
	minSecret    = 24
	maxSecret    = 64
)

// ParseSecret returns the key in a secret of webhooks.
func ParseSecret(s config.Secret) ([]byte, error) {
	text, ok := strings.CutPrefix(string(s), secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < minSecret || len(key) > maxSecret {
		return nil, errors.New("it is no secret of webhooks")
	}
	return key, nil
}

// Rate is how many calls a second a gateway takes, and how many at once; 0 and 0
// mean no bound.
func (l Limits) Rate() (perSecond float64, burst int) {
	if l.RequestsPerSecond == 0 {
		return 0, 0
	}
	if l.Burst == 0 {
		return l.RequestsPerSecond, max(int(math.Ceil(l.RequestsPerSecond)), 1)
	}
	return l.RequestsPerSecond, l.Burst
}

// Class is the class of a call that asks for one, or for none; false when the
// tenant may not have it.
func (l Limits) Class(asked string) (string, bool) {
	switch {
	case asked == "" && len(l.Classes) > 0:
		return l.Classes[0], true
	case asked == "":
		return jobqueue.Interactive, true
	}
	return asked, len(l.Classes) == 0 || slices.Contains(l.Classes, asked)
}

// ClassList is the classes that the tenant may have, for people.
func (l Limits) ClassList() string {
	if len(l.Classes) == 0 {
		return jobqueue.Interactive + ", " + jobqueue.Batch
	}
	return strings.Join(l.Classes, ", ")
}
