package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

func enrolling(photos ...[]byte) *gatewayv1.CreateSubjectRequest {
	s := &gatewayv1.Subject{DisplayName: "Amara", Consent: "form 7"}
	for _, data := range photos {
		s.Photos = append(s.Photos, inline(data))
	}
	return &gatewayv1.CreateSubjectRequest{Subject: s}
}

// naming is the request of the tests, of a subject instead of photos.
func naming(t *testing.T, name string, more ...func(*gatewayv1.Generation)) *gatewayv1.Generation {
	t.Helper()
	return request(t, append(more, func(g *gatewayv1.Generation) {
		g.Subjects = []*gatewayv1.GenerationSubject{{Subject: name}}
	})...)
}

// samePixels compares pictures but for their records, which name the subject.
func samePixels(t *testing.T, got, want [][]byte) {
	t.Helper()
	for i := range want {
		if !bytes.Equal(encodedPNG(t, decoded(t, got[i])), encodedPNG(t, decoded(t, want[i]))) {
			t.Errorf("picture %d differs", i)
		}
	}
}

// enrolAndUse enrols a person by one good photo among bad ones, makes pictures
// of the subject, and deletes it. It returns the pictures.
func enrolAndUse(t *testing.T, conn grpc.ClientConnInterface) [][]byte {
	t.Helper()
	subjects, generations := gatewayv1.NewSubjectServiceClient(conn), gatewayv1.NewGenerationServiceClient(conn)
	face, other := decoded(t, example(t, "amara")), decoded(t, example(t, "erik"))
	two := encodedPNG(t, canvas(256, 128, map[image.Rectangle]image.Image{
		image.Rect(0, 0, 128, 128): face, image.Rect(128, 0, 256, 128): other,
	}))
	small := encodedPNG(t, canvas(64, 64, map[image.Rectangle]image.Image{image.Rect(12, 12, 52, 52): face}))
	soft := encodedPNG(t, canvas(128, 128, map[image.Rectangle]image.Image{
		image.Rect(0, 0, 128, 128): canvas(20, 20, map[image.Rectangle]image.Image{image.Rect(0, 0, 20, 20): face}),
	}))
	const none = faultv1.Reason_REASON_UNSPECIFIED
	photos := []struct {
		data []byte
		want faultv1.Reason
	}{
		{encodedPNG(t, canvas(128, 128, nil)), faultv1.Reason_REASON_NO_FACE_FOUND},
		{example(t, "amara"), none},
		{two, faultv1.Reason_REASON_SEVERAL_FACES_FOUND},
		{small, faultv1.Reason_REASON_FACE_TOO_SMALL},
		{soft, faultv1.Reason_REASON_FACE_BLURRED},
		{encodedJPEG(t, face)[:100], faultv1.Reason_REASON_UNSUPPORTED_IMAGE},
	}
	req := enrolling()
	for _, p := range photos {
		req.Subject.Photos = append(req.Subject.Photos, inline(p.data))
	}
	req.Subject.KeepPhotos = true
	s, err := subjects.CreateSubject(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range s.GetPhotoVerdicts() {
		if v.GetFault().GetReason() != photos[i].want || v.GetUsed() != (photos[i].want == none) {
			t.Errorf("photo %d: %v, want %v", i, v, photos[i].want)
		}
	}
	if f := s.GetPhotoVerdicts()[1].GetFigures(); f.GetFacePixels() < 60 || f.GetSharpness() < 0.4 || f.GetBrightness() < 0.4 {
		t.Errorf("figures of a good photo: %v", f)
	}
	made := pictures(t, generations, naming(t, s.GetName()))
	samePixels(t, made, pictures(t, generations, request(t)))
	listed, err := subjects.ListSubjects(t.Context(), &gatewayv1.ListSubjectsRequest{})
	if err != nil || len(listed.GetSubjects()) != 1 || listed.GetSubjects()[0].GetName() != s.GetName() {
		t.Errorf("listed %v, %v", listed, err)
	}
	removed, err := subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: s.GetName()})
	if err != nil || removed.GetEmbeddings() != 1 || len(removed.GetPhotos()) != 1 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if f, early := refused(t, generations, naming(t, s.GetName())); !early || f.Reason != faultv1.Reason_REASON_UNKNOWN_SUBJECT || f.Field != "subjects[0].subject" {
		t.Errorf("a generation of a deleted subject: early %t, %+v", early, f)
	}
	return made
}

func TestEnrolledSubjects(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
	one := enrolAndUse(t, conn)
	s := inSeparateProcesses(t)
	samePixels(t, enrolAndUse(t, s.conn), one)
}

// TestNothingOfAPersonIsInTheFiles looks for the embedding, the photo and what
// was asked for in all files of the queue and of the blob store, while the
// subject is enrolled and used, and after it was deleted.
func TestNothingOfAPersonIsInTheFiles(t *testing.T) {
	s := inSeparateProcesses(t)
	direct, err := rpc.Dial(s.parts["encoder-svc"].listen, rpc.DialSettings{})
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	photo := example(t, "mei")
	out, err := encoderv1.NewEncoderServiceClient(direct).EmbedFaces(
		metadata.AppendToOutgoingContext(t.Context(), "facestudio-tenant", "default"),
		&encoderv1.EmbedFacesRequest{Photos: []*mediav1.Picture{inline(photo)}})
	if err != nil {
		t.Fatal(err)
	}
	embedding := out.GetFaces()[0].GetEmbedding().GetData()
	if len(embedding) == 0 {
		t.Fatalf("there is no embedding: %v", out.GetFaces()[0].GetFault())
	}
	const prompt = "a portrait with a red hat that nobody else has"
	digest := sha256.Sum256(photo)
	// The mean of one photo may differ from it in the last bits of some values:
	// any long piece will do.
	pieces := [][]byte{[]byte(prompt), []byte(hex.EncodeToString(digest[:]))}
	for at := 0; at+16 <= len(embedding); at += 16 {
		pieces = append(pieces, embedding[at:at+16])
	}
	for at := 0; at+16 <= len(photo); at += 512 {
		pieces = append(pieces, photo[at:at+16])
	}
	find := func() (found int) {
		t.Helper()
		err := filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
			data := []byte(path)
			if err == nil && !entry.IsDir() {
				var content []byte
				content, err = os.ReadFile(path)
				data = append(data, content...)
			}
			for _, piece := range pieces {
				if bytes.Contains(data, piece) {
					found++
				}
			}
			// The mesh at work takes files away, too.
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if err := os.WriteFile(filepath.Join(s.dir, "control"), embedding, 0o600); err != nil {
		t.Fatal(err)
	}
	if find() == 0 {
		t.Fatal("what lies there is not found, so that this test says nothing")
	}
	if err := os.Remove(filepath.Join(s.dir, "control")); err != nil {
		t.Fatal(err)
	}
	nothing := func(when string) {
		t.Helper()
		if n := find(); n != 0 {
			t.Errorf("%s: %d pieces of the person are in the files in the clear", when, n)
		}
	}
	subjects := gatewayv1.NewSubjectServiceClient(s.conn)
	asked := enrolling(photo)
	asked.Subject.KeepPhotos = true
	enrolled, err := subjects.CreateSubject(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	nothing("enrolled")
	generations := gatewayv1.NewGenerationServiceClient(s.conn)
	asking := func(g *gatewayv1.Generation) { g.Prompt = prompt }
	byPhoto := request(t, asking, func(g *gatewayv1.Generation) {
		g.Subjects = []*gatewayv1.GenerationSubject{{Photos: []*mediav1.Picture{inline(photo)}}}
	})
	for _, g := range []*gatewayv1.Generation{naming(t, enrolled.GetName(), asking), byPhoto} {
		created, err := generations.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: g})
		if err != nil {
			t.Fatal(err)
		}
		looked := false
		await(t, generations, created.GetName(), func(p *gatewayv1.Progress) {
			if p.GetStep() > 0 && !looked {
				looked = true
				nothing("while it is used")
			}
		})
	}
	nothing("used")
	if _, err := subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: enrolled.GetName()}); err != nil {
		t.Fatal(err)
	}
	nothing("deleted")
}

func TestSubjectsByCommand(t *testing.T) {
	dir := t.TempDir()
	up := launch(t, "facestudio", upArgs(t, dir)...)
	blank := filepath.Join(dir, "blank.png")
	if err := os.WriteFile(blank, encodedPNG(t, canvas(128, 128, nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	face := filepath.Join(dir, "amara.jpg")
	if err := os.WriteFile(face, example(t, "amara"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := []string{"--server", up.listen}
	text, err := facestudio(t, append([]string{"subjects", "enrol", "Amara", blank, face, "--check"}, server...)...)
	if err != nil || !strings.Contains(text, "NO_FACE_FOUND") || !strings.Contains(text, face) || !strings.Contains(text, "photos used  1 of 2") {
		t.Fatalf("%v: %s", err, text)
	}
	text, err = facestudio(t, append([]string{"subjects", "enrol", "Amara", blank, face, "--json", "--keep-photos", "--consent", "form 7", "--ttl", "24h"}, server...)...)
	var said struct {
		Name, Consent string
		ExpireTime    string `json:"expire_time"`
		Photos        []any
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &said)
	}
	if err != nil || said.Name == "" || said.Consent != "form 7" || said.ExpireTime == "" || len(said.Photos) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	picture := filepath.Join(dir, "out.png")
	steps := []struct {
		args []string
		says string
	}{
		{[]string{"subjects", "list"}, said.Name},
		{[]string{"subjects", "show", strings.TrimPrefix(said.Name, "subjects/")}, "form 7"},
		{[]string{"generate", "--subject", "amara=" + said.Name, "--style", face, "--steps", "2", "-o", picture}, picture},
		{[]string{"subjects", "delete", said.Name}, "1 kept photos"},
		{[]string{"subjects", "list", "--json"}, `"subjects": []`},
	}
	for _, step := range steps {
		text, err := facestudio(t, append(step.args, server...)...)
		if err != nil || !strings.Contains(text, step.says) {
			t.Errorf("%v: %v: %s", step.args, err, text)
		}
	}
	for _, wrong := range [][]string{{"subjects", "enrol", "Amara", blank}, {"subjects", "show", said.Name}, {"subjects", "enrol", "Amara"}} {
		if text, err := facestudio(t, append(wrong, server...)...); err == nil {
			t.Errorf("%v succeeded: %s", wrong, text)
		}
	}
	if code := up.stop(t); code != 0 {
		t.Errorf("up ended with %d:\n%s", code, up.output())
	}
}

func TestHostileEnrolments(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
	subjects := gatewayv1.NewSubjectServiceClient(conn)
	good := example(t, "amara")
	many := make([][]byte, 33)
	for i := range many {
		many[i] = good
	}
	for name, test := range map[string]struct {
		photos [][]byte
		reason faultv1.Reason
		field  string
	}{
		"no photo":        {nil, faultv1.Reason_REASON_INVALID_FIELD, "photos"},
		"33 photos":       {many, faultv1.Reason_REASON_INVALID_FIELD, "photos"},
		"100 bytes":       {[][]byte{good[:100]}, faultv1.Reason_REASON_UNSUPPORTED_IMAGE, "photos[0]"},
		"a truncated one": {[][]byte{good[:len(good)/2]}, faultv1.Reason_REASON_UNSUPPORTED_IMAGE, "photos[0]"},
		"40,000 pixels":   {[][]byte{huge(t)}, faultv1.Reason_REASON_IMAGE_TOO_LARGE, "photos[0]"},
		"nothing usable":  {[][]byte{encodedPNG(t, canvas(64, 64, nil)), good[:100]}, faultv1.Reason_REASON_NO_FACE_FOUND, "photos[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := subjects.CreateSubject(t.Context(), enrolling(test.photos...))
			if f := fault.From(err); f == nil || f.Reason != test.reason || f.Field != test.field || f.Message == "" {
				t.Errorf("got %+v", f)
			} else if len(test.photos) == 2 && len(f.Others) != 1 {
				t.Errorf("the other photo's fault is not told: %+v", f)
			}
		})
	}
	if _, err := subjects.CreateSubject(t.Context(), enrolling(many[:32]...)); err != nil {
		t.Errorf("32 photos: %v", err)
	}
}
