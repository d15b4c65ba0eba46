package cloud_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	_ "github.com/facestudio/facestudio/cloud"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/blobs"
)

// credentials gives the SDK what it signs with, and nothing of this machine's.
func credentials(t *testing.T) {
	t.Helper()
	none := t.TempDir() + "/none"
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none,
	} {
		t.Setenv(name, value)
	}
}

// bucket is the URL of an empty bucket of a server on loopback that speaks S3.
func bucket(t *testing.T) string {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("pictures"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return "s3://pictures?use_path_style=true&endpoint=" + server.URL
}

func TestStoreInS3(t *testing.T) {
	credentials(t)
	blobs.Run(t, bucket)
}

func TestMissingBucket(t *testing.T) {
	credentials(t)
	s, err := blob.Open(t.Context(), strings.Replace(bucket(t), "pictures", "missing", 1), testkit.Ring(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Put(t.Context(), "ada", blob.Day, []byte("a picture"), "image/png"); !fault.Is(err, faultv1.Reason_REASON_UNAVAILABLE) {
		t.Errorf("got %v", err)
	}
}
