// Package cloud links the drivers of cloud services into a program that imports
// it, for blobs: S3 (s3://), Google Cloud Storage (gs://) and Azure Blob Storage
// (azblob://); and for key-encryption keys: AWS KMS (awskms://), Cloud KMS of
// Google (gcpkms://), Azure Key Vault (azurekeyvault://) and the transit engine of
// HashiCorp Vault (hashivault://). They are found by the schemes of --blob-url and
// --seal-keys.
//
// They stand in a module of their own, so that programs without them stay small.
// The programs below cmd/ are the services with them, and else the same.
package cloud

import (
	_ "gocloud.dev/blob/azureblob"        // azblob://
	_ "gocloud.dev/blob/gcsblob"          // gs://
	_ "gocloud.dev/blob/s3blob"           // s3://
	_ "gocloud.dev/secrets/awskms"        // awskms://
	_ "gocloud.dev/secrets/azurekeyvault" // azurekeyvault://
	_ "gocloud.dev/secrets/gcpkms"        // gcpkms://
	_ "gocloud.dev/secrets/hashivault"    // hashivault://
)
