// Package blob stores bytes by their digest: pictures and whatever else is too
// large for a message (pictures above InlineSize). Messages carry a mediav1.Blob, which says
// what the bytes must be; whoever reads them checks that.
//
// A blob is sealed with its tenant's data key, and its key is
// <tenant>/<retention>/<HMAC of its SHA-256 under that key>: who lists a bucket
// learns how many there are and how large, not whether one is a picture that they
// have. What is saved by name is sealed with the key of the work that saves it.
//
// A store only ever answers for the tenant that it is asked about: knowing the
// digest of another tenant's picture does not help to read it. The same bytes may
// be stored with several retentions; each has its own life.
//
// Writes are atomic: a reader sees all the bytes or none. A file store survives
// a killed process; it does not sync the disk, so a power cut may take what was
// written last, which readers see as BLOB_MISSING.
package blob
