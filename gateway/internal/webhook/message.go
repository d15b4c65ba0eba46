package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// ended is the type of the message about a generation's end.
const ended = "generation.ended"

// message is what a receiver gets. Photos, prompts, names of people and what was
// measured of faces are not in it.
type message struct {
	// Type is what happened.
	Type string `json:"type"`
	// Timestamp is when it happened, RFC 3339.
	Timestamp string `json:"timestamp"`
	// Data is the generation.
	Data generation `json:"data"`
}

type generation struct {
	// Name is the generation's, "generations/{generation}".
	Name string `json:"name"`
	// State is SUCCEEDED, FAILED or CANCELLED.
	State string `json:"state"`
	// Error says why it failed or was cancelled.
	Error *problem `json:"error,omitempty"`
	// Pictures are what it made.
	Pictures []picture `json:"pictures"`
	// CreateTime is when it was created, RFC 3339.
	CreateTime string `json:"create_time"`
	// EndTime is when it ended.
	EndTime string `json:"end_time"`
}

type problem struct {
	// Reason is the stable cause, as docs/errors.md lists them.
	Reason string `json:"reason"`
	// Message is one sentence for people.
	Message string `json:"message"`
	// Field is the request field that is to blame; may be empty.
	Field string `json:"field,omitempty"`
	// Retryable says whether the same request may succeed later.
	Retryable bool `json:"retryable"`
}

type picture struct {
	// Name is the picture's, "generations/{generation}/pictures/{index}".
	Name string `json:"name"`
	// Path is where the gateway has its bytes, over HTTP.
	Path string `json:"path"`
	// SHA256 is the digest of the bytes, hexadecimal.
	SHA256 string `json:"sha256"`
	// Size is their number.
	Size int64 `json:"size"`
	// MediaType is their format.
	MediaType string `json:"media_type"`
	// Width and Height are in pixels.
	Width  int32 `json:"width"`
	Height int32 `json:"height"`
}

// messageOf tells the end of a generation. It is the same bytes at each attempt.
func messageOf(g *gatewayv1.Generation) ([]byte, error) {
	m := message{Type: ended, Timestamp: timeText(g.GetEndTime().AsTime()), Data: generation{
		Name:       g.GetName(),
		State:      strings.TrimPrefix(g.GetState().String(), "STATE_"),
		Pictures:   make([]picture, len(g.GetPictures())),
		CreateTime: timeText(g.GetCreateTime().AsTime()),
		EndTime:    timeText(g.GetEndTime().AsTime()),
	}}
	if f := g.GetFault(); f != nil {
		m.Data.Error = &problem{strings.TrimPrefix(f.GetReason().String(), "REASON_"), f.GetMessage(), f.GetField(), f.GetRetryable()}
	}
	for i, p := range g.GetPictures() {
		b := p.GetBlob()
		m.Data.Pictures[i] = picture{
			Name: p.GetName(), Path: "/v1/" + p.GetName(), SHA256: b.GetSha256(), Size: b.GetSize(), MediaType: b.GetMediaType(),
			Width: p.GetWidth(), Height: p.GetHeight(),
		}
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode a webhook's message: %w", err)
	}
	return data, nil
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
