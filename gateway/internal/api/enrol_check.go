package api

import (
	"time"
	"unicode/utf8"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Limits of a subject; they stand in the proto.
const (
	maxConsent = 200
	minTTL     = time.Second
	maxTTL     = 10 * 365 * 24 * time.Hour
)

// checkSubject checks everything about a subject but its photos' bytes.
func checkSubject(s *gatewayv1.Subject, now time.Time) error {
	switch n := len(s.GetPhotos()); {
	case n == 0:
		return fault.InvalidField("photos", "the subject has no photo: give at least one with the whole face in view")
	case n > maxPhotos:
		return fault.InvalidField("photos", "there are %d photos, at most %d are used: leave some out", n, maxPhotos)
	}
	if err := checkAbout(s); err != nil {
		return err
	}
	if s.GetTtl() != nil && s.GetExpireTime() != nil {
		return fault.InvalidField("ttl", "ttl and expire_time contradict each other: give one")
	}
	if ttl := s.GetTtl(); ttl != nil && (ttl.CheckValid() != nil || ttl.AsDuration() < minTTL || ttl.AsDuration() > maxTTL) {
		return fault.InvalidField("ttl", "it is outside 1 s to 10 years: leave it out to keep the subject until it is deleted")
	}
	return checkExpiry(s, now)
}

// checkAbout checks what is told about a subject.
func checkAbout(s *gatewayv1.Subject) error {
	if n := utf8.RuneCountInString(s.GetDisplayName()); n > maxName {
		return fault.InvalidField("display_name", "the name has %d characters, at most %d are kept: shorten it", n, maxName)
	}
	if n := utf8.RuneCountInString(s.GetConsent()); n > maxConsent {
		return fault.InvalidField("consent", "the reference has %d characters, at most %d are kept: shorten it", n, maxConsent)
	}
	return checkLabels(s.GetLabels())
}

// checkExpiry checks when a subject expires.
func checkExpiry(s *gatewayv1.Subject, now time.Time) error {
	if at := s.GetExpireTime(); at != nil && (at.CheckValid() != nil || at.AsTime().Sub(now) < minTTL || at.AsTime().Sub(now) > maxTTL) {
		return fault.InvalidField("expire_time", "it is not 1 s to 10 years ahead: leave it out to keep the subject until it is deleted")
	}
	return nil
}
