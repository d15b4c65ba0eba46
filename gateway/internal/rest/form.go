package rest

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"regexp"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
)

const (
	// maxParts bounds the parts of a form: 8 people with 32 photos each, and what
	// else a generation has.
	maxParts = 512
	// maxText bounds a part that is no picture, bytes.
	maxText = 1 << 20
	// maxPicture bounds a picture, bytes; the API has the same bound.
	maxPicture = 16 << 20
)

func isForm(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "multipart/form-data"
}

// createByForm creates a generation from a form.
func (a *API) createByForm(w http.ResponseWriter, r *http.Request) {
	ctx, err := a.call(r, gatewayv1.GenerationService_CreateGeneration_FullMethodName)
	if err != nil {
		ProblemOf(err).write(w)
		return
	}
	req, err := readForm(r)
	if err != nil {
		refuse(w, r, err)
		return
	}
	var md metadata.MD
	created, err := a.generations.CreateGeneration(ctx, req, grpc.Header(&md))
	tellLimits(w, md)
	if err != nil {
		ProblemOf(err).write(w)
		return
	}
	data, err := marshaler.Marshal(created)
	if err != nil {
		ProblemOf(err).write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// The caller is gone if that fails.
	_, _ = w.Write(data)
}

// form is a generation that is put together part by part.
type form struct {
	request *gatewayv1.CreateGenerationRequest
	people  map[string]*gatewayv1.GenerationSubject
}

func readForm(r *http.Request) (*gatewayv1.CreateGenerationRequest, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, badForm(err)
	}
	f := &form{
		request: &gatewayv1.CreateGenerationRequest{
			Generation: new(gatewayv1.Generation), RequestId: requestID(r),
		},
		people: map[string]*gatewayv1.GenerationSubject{},
	}
	for range maxParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return f.request, nil
		}
		if err != nil {
			return nil, badForm(err)
		}
		if err := f.take(part); err != nil {
			return nil, err
		}
	}
	return nil, fault.InvalidField("", "the form has more than %d parts: leave some out", maxParts)
}

func requestID(r *http.Request) string {
	query := r.URL.Query()
	if id := query.Get("request_id"); id != "" {
		return id
	}
	return query.Get("requestId")
}

func badForm(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return fault.Wrap(err, fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, "",
		"the form cannot be read, or it broke off: send multipart/form-data, as curl -F does")
}

// take adds one part.
func (f *form) take(part *multipart.Part) error {
	if err := checkText("", part.FormName()); err != nil {
		return err
	}
	g := f.request.Generation
	name, who, _ := strings.Cut(part.FormName(), ".")
	switch name {
	case "face", "style":
		picture, err := pictureOf(part)
		if err != nil {
			return err
		}
		if name == "style" {
			g.Style = picture
			return nil
		}
		person := f.person(who)
		person.Photos = append(person.Photos, picture)
		return nil
	}
	text, err := textOf(part)
	if err != nil {
		return err
	}
	switch name {
	case "generation":
		return f.takeJSON(text)
	case "request_id", "requestId":
		f.request.RequestId = text
	case "subject":
		f.person(who).Subject = text
	case "at":
		if f.person(who).At, err = placement(text); err != nil {
			return err
		}
	case "labels":
		if g.Labels == nil {
			g.Labels = map[string]string{}
		}
		g.Labels[who] = text
	default:
		return setField(g, part.FormName(), text)
	}
	return nil
}

// takeJSON takes a whole generation; what other parts say is added to it.
func (f *form) takeJSON(text string) error {
	base := new(gatewayv1.Generation)
	if err := protojson.Unmarshal([]byte(text), base); err != nil {
		return fault.Wrap(err, fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, "generation",
			"it is no Generation as JSON: /docs tells its fields")
	}
	proto.Merge(base, f.request.Generation)
	f.request.Generation = base
	clear(f.people)
	for _, person := range base.GetSubjects() {
		f.people[person.GetName()] = person
	}
	return nil
}

// person returns the subject of a name, a new one if need be.
func (f *form) person(name string) *gatewayv1.GenerationSubject {
	person, ok := f.people[name]
	if !ok {
		person = &gatewayv1.GenerationSubject{Name: name}
		f.people[name] = person
		f.request.Generation.Subjects = append(f.request.Generation.Subjects, person)
	}
	return person
}

func pictureOf(part *multipart.Part) (*mediav1.Picture, error) {
	data, err := io.ReadAll(io.LimitReader(part, maxPicture+1))
	if err != nil {
		return nil, badForm(err)
	}
	if len(data) > maxPicture {
		return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_IMAGE_TOO_LARGE, part.FormName(),
			"%s has more than %d MiB: scale it down", part.FileName(), maxPicture>>20)
	}
	if part.FileName() == "" && pictureName.Match(data) {
		return &mediav1.Picture{Source: &mediav1.Picture_Name{Name: string(data)}}, nil
	}
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}, nil
}

// pictureName is a picture that the server has already.
var pictureName = regexp.MustCompile(`^(pictures|styles)/[0-9a-z]{1,64}$`)

func textOf(part *multipart.Part) (string, error) {
	data, err := io.ReadAll(io.LimitReader(part, maxText+1))
	if err != nil {
		return "", badForm(err)
	}
	if len(data) > maxText {
		return "", fault.InvalidField(part.FormName(), "it has more than %d KiB: shorten it", maxText>>10)
	}
	return string(data), checkText(part.FormName(), string(data))
}

// placement reads the index of a person, or a point as "x,y".
func placement(text string) (*gatewayv1.Placement, error) {
	var x, y float32
	var index int32
	if n, err := fmt.Sscanf(text+"\n", "%g,%g\n", &x, &y); n == 2 && err == nil {
		return &gatewayv1.Placement{Where: &gatewayv1.Placement_Point{Point: &mediav1.Point{X: x, Y: y}}}, nil
	}
	if n, err := fmt.Sscanf(text+"\n", "%d\n", &index); n == 1 && err == nil {
		return &gatewayv1.Placement{Where: &gatewayv1.Placement_Person{Person: index}}, nil
	}
	return nil, fault.InvalidField("at", "%.40q is no place: use a person's index, from 0 at the left, or x,y in pixels", text)
}
