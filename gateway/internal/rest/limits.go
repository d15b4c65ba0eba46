package rest

import (
	"net/http"

	"google.golang.org/grpc/metadata"

	"github.com/facestudio/facestudio/gateway/internal/throttle"
)

// limitFields are the header fields of draft-ietf-httpapi-ratelimit-headers-10 by
// the metadata that they are made of.
var limitFields = map[string]string{
	throttle.PolicyKey:   "RateLimit-Policy",
	throttle.StandingKey: "RateLimit",
}

// outgoing says which response metadata becomes a header field.
func outgoing(key string) (string, bool) {
	field, ok := limitFields[key]
	return field, ok
}

// tellLimits tells where the caller stands with its limits.
func tellLimits(w http.ResponseWriter, md metadata.MD) {
	for key, field := range limitFields {
		for _, value := range md.Get(key) {
			w.Header().Add(field, value)
		}
	}
}
