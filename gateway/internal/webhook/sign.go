// Package webhook tells receivers the end of a generation by Standard Webhooks
// (https://www.standardwebhooks.com): a small signed message, sent at least once
// and with the same id each time.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/tenant"
	"github.com/facestudio/facestudio/services/config"
)

// Sign returns the header webhook-signature of a message: "v1," and base64 of
// HMAC-SHA256 over "id.timestamp.payload" under each secret, one after the other.
func Sign(secrets []config.Secret, id string, at time.Time, payload []byte) (string, error) {
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		key, err := tenant.ParseSecret(secret)
		if err != nil {
			return "", fmt.Errorf("secret %d of webhooks: %w", i+1, err)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(payload)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " "), nil
}
