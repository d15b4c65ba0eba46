package jobqueue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Sign returns a signature of 32 bytes over parts under the installation's
// secret, the same in every process of the mesh: what comes back with it was made
// here. The purpose keeps signatures for one use from serving another.
func (q *Queue) Sign(purpose string, parts ...string) []byte {
	mac := hmac.New(sha256.New, q.secret)
	for _, part := range append([]string{"sign", purpose}, parts...) {
		// Lengths keep parts from running into each other.
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}
