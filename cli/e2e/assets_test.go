package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

func TestNamedPictures(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
	generations, subjects := gatewayv1.NewGenerationServiceClient(conn), gatewayv1.NewSubjectServiceClient(conn)
	service, styles := gatewayv1.NewPictureServiceClient(conn), gatewayv1.NewStyleServiceClient(conn)
	face, poster := example(t, "amara"), example(t, "erik")
	want := pictures(t, generations, request(t))

	stream, err := service.UploadPicture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(face)
	parts := []*gatewayv1.UploadPictureRequest{{Part: &gatewayv1.UploadPictureRequest_Upload{Upload: &gatewayv1.Upload{Sha256: hex.EncodeToString(sum[:]), Size: int64(len(face))}}}}
	for chunk := range bytesChunks(face, 3000) {
		parts = append(parts, &gatewayv1.UploadPictureRequest{Part: &gatewayv1.UploadPictureRequest_Chunk{Chunk: chunk}})
	}
	for _, part := range parts {
		if err := stream.Send(part); err != nil {
			t.Fatal(err)
		}
	}
	photo, err := stream.CloseAndRecv()
	if err != nil || photo.GetBlob().GetSize() != int64(len(face)) || photo.GetWidth() != 128 || photo.GetHeight() != 128 || photo.GetExpireTime() == nil {
		t.Fatalf("uploaded %v, %v", photo, err)
	}
	style, err := styles.CreateStyle(t.Context(), &gatewayv1.CreateStyleRequest{Style: &gatewayv1.Style{
		DisplayName: "Poster", Picture: inline(poster), Labels: map[string]string{"set": "poses"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	byName := func() *gatewayv1.Generation {
		return request(t, func(g *gatewayv1.Generation) {
			g.Subjects[0].Photos[0], g.Style = called(photo.GetName()), called(style.GetName())
		})
	}
	if got := pictures(t, generations, byName()); !bytes.Equal(got[0], want[0]) {
		t.Error("pictures by name make another picture than their bytes")
	}
	ada, err := subjects.CreateSubject(t.Context(), &gatewayv1.CreateSubjectRequest{Subject: &gatewayv1.Subject{Photos: []*mediav1.Picture{called(photo.GetName())}}})
	if err != nil || ada.GetUsedPhotoCount() != 1 {
		t.Errorf("enrolled %v, %v", ada, err)
	}
	for filter, n := range map[string]int{`labels.set = "poses"`: 1, `labels.set = "faces"`: 0} {
		if got, err := styles.ListStyles(t.Context(), &gatewayv1.ListStylesRequest{Filter: filter}); err != nil || len(got.GetStyles()) != n {
			t.Errorf("%s lists %v, %v", filter, got, err)
		}
	}
	if _, err := service.DeletePicture(t.Context(), &gatewayv1.DeletePictureRequest{Name: photo.GetName()}); err != nil {
		t.Fatal(err)
	}
	if f, early := refused(t, generations, byName()); !early || f.Reason != faultv1.Reason_REASON_UNKNOWN_PICTURE || f.Field != "subjects[0].photos[0]" {
		t.Errorf("a deleted picture: early %t, %+v", early, f)
	}
	if _, err := styles.DeleteStyle(t.Context(), &gatewayv1.DeleteStyleRequest{Name: style.GetName()}); err != nil {
		t.Fatal(err)
	}
	unstyled := request(t, func(g *gatewayv1.Generation) { g.Style = called(style.GetName()) })
	if f, early := refused(t, generations, unstyled); !early || f.Reason != faultv1.Reason_REASON_UNKNOWN_STYLE || f.Field != "style" {
		t.Errorf("a deleted style: early %t, %+v", early, f)
	}
	_, err = service.GetPicture(t.Context(), &gatewayv1.GetPictureRequest{Name: style.GetName()})
	if err := wants(err, faultv1.Reason_REASON_UNSUPPORTED); err != nil {
		t.Errorf("a style's name: %v", err)
	}
	created, err := generations.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: request(t)})
	if err != nil {
		t.Fatal(err)
	}
	ended, err := generations.GetGeneration(t.Context(), &gatewayv1.GetGenerationRequest{Name: created.GetName(), Wait: durationpb.New(maxWait)})
	if err != nil || ended.GetState() != gatewayv1.State_STATE_SUCCEEDED {
		t.Errorf("waited for %v, %v", ended.GetState(), err)
	}
	bundles, err := gatewayv1.NewBundleServiceClient(conn).ListBundles(t.Context(), new(gatewayv1.ListBundlesRequest))
	if err != nil || len(bundles.GetBundles()) != 1 || bundles.GetBundles()[0].GetLimits().GetPhotos() != 32 {
		t.Errorf("bundles are %v, %v", bundles, err)
	}
}

// maxWait is the longest that GetGeneration waits.
const maxWait = 60_000_000_000

// noise is a picture that does not compress.
func noise(side int) image.Image {
	p := image.NewRGBA(image.Rect(0, 0, side, side))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range p.Pix {
		if p.Pix[i] = byte(random.Uint32()); i%4 == 3 {
			p.Pix[i] = 255
		}
	}
	return p
}

// bytesChunks yields pieces of n bytes.
func bytesChunks(data []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(data) > 0 {
			piece := data[:min(n, len(data))]
			if data = data[len(piece):]; !yield(piece) {
				return
			}
		}
	}
}

// rest is a mesh as it is reached over HTTP.
type rest struct {
	t    *testing.T
	base string
}

// call makes a request, wants its status, and returns the answer.
func (r rest) call(status int, method, path, mediaType string, body []byte, header ...string) map[string]any {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.base+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if res.StatusCode != status {
		r.t.Fatalf("%s %s: got %d, want %d: %s", method, path, res.StatusCode, status, data)
	}
	out := map[string]any{}
	if err := json.Unmarshal(data, &out); err != nil {
		r.t.Fatalf("%s %s: %v: %s", method, path, err, data)
	}
	return out
}

func TestResourcesOverHTTP(t *testing.T) {
	s := shareMesh(t, false)
	r := rest{t, "http://" + s.address}
	face, poster := example(t, "amara"), example(t, "erik")
	const asJSON = "application/json"

	photo := r.call(200, "POST", "/v1/pictures", "image/jpeg", face)
	name := photo["name"].(string)
	r.call(200, "GET", "/v1/"+name, "", nil)
	if p := r.call(400, "POST", "/v1/pictures?sha256="+fmt.Sprintf("%064d", 0), "image/jpeg", face); p["field"] != "sha256" {
		t.Errorf("a wrong digest: %v", p)
	}

	pair, err := os.ReadFile("../../examples/couple.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if found := r.call(200, "POST", "/v1/pictures:detectPeople", "image/jpeg", pair); len(found["people"].([]any)) != 2 {
		t.Errorf("two people are %v", found)
	}
	if found := r.call(200, "POST", "/v1/pictures:detectPeople", asJSON, fmt.Appendf(nil, `{"picture":{"name":%q}}`, name)); len(found["people"].([]any)) != 1 {
		t.Errorf("one person is %v", found)
	}
	if p := r.call(400, "POST", "/v1/pictures:detectPeople", "image/jpeg", []byte("words")); p["field"] != "picture" {
		t.Errorf("no picture: %v", p)
	}

	large := encodedPNG(t, noise(256))
	digest := fmt.Sprintf("%x", sha256.Sum256(large))
	upload := r.call(200, "POST", "/v1/uploads", asJSON, fmt.Appendf(nil, `{"sha256":%q,"size":"%d"}`, digest, len(large)))
	at := "/v1/" + upload["name"].(string)
	half := len(large) / 2
	rangeOf := func(from, to int) string { return fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(large)) }
	r.call(200, "PUT", at, "application/octet-stream", large[:half], "Content-Range", rangeOf(0, half))
	if p := r.call(409, "PUT", at, "application/octet-stream", large[:half], "Content-Range", rangeOf(0, half)); p["reason"] != "WRONG_OFFSET" {
		t.Errorf("the same chunk again: %v", p)
	}
	r.call(400, "PUT", at, "application/octet-stream", large[half:], "Content-Range", "bytes 7-9/10")
	if u := r.call(200, "GET", at, "", nil); u["offset"] != strconv.Itoa(half) {
		t.Errorf("it stands at %v", u["offset"])
	}
	r.call(200, "PUT", at, "application/octet-stream", large[half:], "Content-Range", rangeOf(half, len(large)))
	if p := r.call(200, "POST", at+":finish", "", nil); p["name"] != "pictures/"+digest {
		t.Errorf("finished as %v", p)
	}
	r.call(404, "GET", at, "", nil)
	r.call(200, "DELETE", "/v1/pictures/"+digest, "", nil)
	r.call(404, "GET", "/v1/pictures/"+digest, "", nil)

	body, err := json.Marshal(map[string]any{"displayName": "Poster", "picture": map[string]any{"data": poster}, "labels": map[string]string{"set": "poses"}})
	if err != nil {
		t.Fatal(err)
	}
	style := r.call(200, "POST", "/v1/styles", asJSON, body)["name"].(string)
	r.call(200, "GET", "/v1/styles?filter=labels.set%3D%22poses%22", "", nil)

	subject := r.call(200, "POST", "/v1/subjects", asJSON, fmt.Appendf(nil, `{"displayName":"Ada","photos":[{"name":%q}]}`, name))
	renamed := r.call(200, "PATCH", "/v1/"+subject["name"].(string), asJSON,
		fmt.Appendf(nil, `{"displayName":"Ada L.","labels":{"team":"blue"},"etag":%q}`, subject["etag"]))
	if renamed["displayName"] != "Ada L." || renamed["etag"] == subject["etag"] {
		t.Errorf("renamed: %v", renamed)
	}
	if p := r.call(409, "PATCH", "/v1/"+subject["name"].(string), asJSON, fmt.Appendf(nil, `{"displayName":"late","etag":%q}`, subject["etag"])); p["reason"] != "ETAG_MISMATCH" {
		t.Errorf("an old etag: %v", p)
	}

	g := r.call(200, "POST", "/v1/generations", asJSON,
		fmt.Appendf(nil, `{"subjects":[{"photos":[{"name":%q}]}],"style":{"name":%q},"steps":2,"labels":{"team":"blue"}}`, name, style))
	made := r.call(200, "GET", "/v1/"+g["name"].(string)+"?wait=60s", "", nil)
	if made["state"] != "STATE_SUCCEEDED" {
		t.Errorf("it ended as %v", made)
	}
	if list := r.call(200, "GET", "/v1/generations?filter=labels:team", "", nil); len(list["generations"].([]any)) != 1 {
		t.Errorf("listed %v", list)
	}
	if p := r.call(400, "GET", "/v1/generations?filter=team", "", nil); p["field"] != "filter" {
		t.Errorf("a bad filter: %v", p)
	}
	if removed := r.call(200, "DELETE", "/v1/"+g["name"].(string), "", nil); len(removed["pictures"].([]any)) != 1 {
		t.Errorf("removed %v", removed)
	}
	r.call(404, "GET", "/v1/"+g["name"].(string), "", nil)
	r.call(200, "DELETE", "/v1/"+style, "", nil)
	r.call(200, "GET", "/v1/bundles", "", nil)
}
