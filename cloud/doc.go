// Package cloud links the drivers of cloud services into a program that imports
// it: S3 for blobs (s3://) and AWS KMS for key-encryption keys (awskms://). They
// are found by the schemes of --blob-url and --seal-keys.
//
// They stand in a module of their own, so that programs without them stay small.
// The programs below cmd/ are the services with them, and else the same.
package cloud

import (
	_ "gocloud.dev/blob/s3blob"    // s3://
	_ "gocloud.dev/secrets/awskms" // awskms://
)
