package jobqueue

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc/metadata"

	"github.com/facestudio/facestudio/services/seal"
)

// Headers of a work message.
const (
	headerVersion  = "Facestudio-Version"
	headerMethod   = "Facestudio-Method"
	headerOwner    = "Facestudio-Owner"
	headerDeadline = "Facestudio-Deadline"
	headerMetadata = "Facestudio-Md-"
	// headerCaller is where the call that published the work is told of its end. Older
	// versions know nothing of it.
	headerCaller = "Facestudio-Caller"

	// envelopeVersion 2: payloads are sealed.
	envelopeVersion = 2
)

// Headers that dead letters have beside those of the work.
const (
	headerReason   = "Facestudio-Reason"
	headerAttempts = "Facestudio-Attempts"
	headerStatus   = "Facestudio-Status"
)

// Reasons of dead letters.
const (
	reasonExhausted = "ATTEMPTS_EXHAUSTED"
	reasonKills     = "KILLED_WORKERS"
	reasonForeign   = "FOREIGN"
)

// traceContext is how spans of different processes find each other.
var traceContext = propagation.TraceContext{}

// work is one call on its way.
type work struct {
	address
	method string
	owner  string
	// deadline is by the server's clock, in milliseconds.
	deadline time.Time
	// first: nobody asked for it before, on the caller's side.
	first    bool
	metadata metadata.MD
	// ear is where the call that published the work hears of its end; zero when it has
	// no such place.
	ear ear
	// payload is the sealed request.
	payload []byte
	// scope is what sealed it.
	scope seal.Scope
	// request is the opened payload, on the worker's side.
	request []byte
}

// message writes the work, with the trace that ctx is part of.
func (w work) message(ctx context.Context) *nats.Msg {
	msg := nats.NewMsg(w.work())
	msg.Data = w.payload
	msg.Header.Set(headerVersion, strconv.Itoa(envelopeVersion))
	msg.Header.Set(headerMethod, w.method)
	msg.Header.Set(headerDeadline, strconv.FormatInt(w.deadline.UnixMilli(), 10))
	if w.owner != "" {
		msg.Header.Set(headerOwner, encodeHeader(w.owner))
	}
	if w.ear != (ear{}) {
		msg.Header.Set(headerCaller, w.ear.String())
	}
	for key, values := range w.metadata {
		for _, value := range values {
			msg.Header.Add(headerMetadata+key, encodeHeader(value))
		}
	}
	traceContext.Inject(ctx, propagation.HeaderCarrier(msg.Header))
	return msg
}

var (
	errForeign = errors.New("not a work message of this version")
	// errNewer is of work that another worker may understand.
	errNewer = errors.New("a work message of a newer version")
)

// parseWork is the inverse of message.
func parseWork(subject string, header nats.Header, payload []byte) (work, error) {
	at, ok := parseAddress(subject)
	if !ok {
		return work{}, fmt.Errorf("subject %q: %w", subject, errForeign)
	}
	version, err := strconv.Atoi(header.Get(headerVersion))
	switch {
	case err != nil || version < envelopeVersion:
		return work{address: at}, fmt.Errorf("version %.20q: %w", header.Get(headerVersion), errForeign)
	case version > envelopeVersion:
		return work{address: at}, fmt.Errorf("version %d: %w", version, errNewer)
	}
	millis, err := strconv.ParseInt(header.Get(headerDeadline), 10, 64)
	if err != nil {
		return work{address: at}, fmt.Errorf("deadline: %w: %w", errForeign, err)
	}
	w := work{
		address: at, method: header.Get(headerMethod), deadline: time.UnixMilli(millis),
		metadata: metadata.MD{}, payload: payload, scope: seal.Shared(at.tenant),
	}
	w.ear, _ = parseEar(header.Get(headerCaller))
	if w.owner, err = decodeHeader(header.Get(headerOwner)); err != nil {
		return w, fmt.Errorf("owner: %w: %w", errForeign, err)
	}
	for name, values := range header {
		key, ok := strings.CutPrefix(name, headerMetadata)
		if !ok {
			continue
		}
		for _, value := range values {
			decoded, err := decodeHeader(value)
			if err != nil {
				return w, fmt.Errorf("metadata %q: %w: %w", key, errForeign, err)
			}
			w.metadata.Append(key, decoded)
		}
	}
	return w, nil
}

// call is for whom the work is done.
func (w work) call() Call {
	record, _ := strings.CutPrefix(w.scope.Name, WorkScope("", "").Name)
	if w.scope == seal.Shared(w.tenant) {
		record = ""
	}
	return Call{Tenant: w.tenant, Class: w.class, Owner: w.owner, Record: record}
}

// Values of callers are encoded: a line break in one would end the header.
func encodeHeader(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func decodeHeader(s string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return string(b), err
}
