// Package seal encrypts what the mesh stores, so that who reads a disk, a bucket
// or a queue learns nothing, and so that erasing a key erases everything that it
// sealed, in every copy and backup.
//
// Each Scope (a tenant, a subject, the work on a generation) has a data key of
// its own, drawn when something is first sealed for it. Data keys are stored
// wrapped by a key-encryption key (Keeper), which is in a file or in a key
// service. What is sealed says which data key opens it.
//
// The cipher is XChaCha20-Poly1305. A nonce is 16 bytes that each Ring draws
// once, and the number of the message, 8 bytes: no two are equal as long as no
// two Rings draw the same 128 bits. The associated data are the header, the
// tenant and the Place: sealed bytes that are moved to another tenant, purpose
// or name do not open there.
//
// A sealed value is: "FS", a version (1), the length of the scope's name, that
// name, the data key's id (8 bytes), the nonce (24 bytes), the ciphertext and its
// tag (16 bytes).
package seal
