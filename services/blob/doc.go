// Package blob stores bytes by their digest: pictures and whatever else is too
// large for a message (pictures above InlineSize). Messages carry a mediav1.Blob, which says
// what the bytes must be; whoever reads them checks that.
//
// A blob's key is <tenant>/<retention>/<sha256>. A store only ever answers for
// the tenant that it is asked about: knowing the digest of another tenant's
// picture does not help to read it. The same bytes may be stored with several
// retentions; each has its own life.
//
// Writes are atomic: a reader sees all the bytes or none. A file store survives
// a killed process; it does not sync the disk, so a power cut may take what was
// written last, which readers see as BLOB_MISSING.
package blob
