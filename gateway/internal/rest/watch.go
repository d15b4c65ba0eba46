package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

const (
	// beat is how often a silent stream says that it lives: proxies end silent
	// ones after half a minute or more.
	beat = 15 * time.Second
	// again is how long a browser waits before it watches again.
	again = time.Second
	// slow is how long a watcher may take to read an event.
	slow = 30 * time.Second
)

// watch answers with the events of a generation.
func (a *API) watch(w http.ResponseWriter, r *http.Request, path map[string]string) {
	after, err := lastEvent(r)
	if err != nil {
		ProblemOf(err).write(w)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if ctx, err = a.call(r.WithContext(ctx), gatewayv1.GenerationService_WatchGeneration_FullMethodName); err != nil {
		ProblemOf(err).write(w)
		return
	}
	stream, err := a.generations.WatchGeneration(ctx, &gatewayv1.WatchGenerationRequest{Name: path["name"], After: after})
	if err != nil {
		ProblemOf(err).write(w)
		return
	}
	events := make(chan received)
	go func() {
		defer close(events)
		for {
			event, err := stream.Recv()
			select {
			case events <- received{event, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	// What fails at once is a problem, not a stream.
	first := <-events
	if md, err := stream.Header(); err == nil {
		tellLimits(w, md)
	}
	if first.err != nil && !errors.Is(first.err, io.EOF) {
		ProblemOf(first.err).write(w)
		cancel()
		return
	}
	follow(newEvents(w), first, events)
	cancel()
	for range events { // its goroutine has ended after that
	}
}

type received struct {
	event *gatewayv1.WatchGenerationResponse
	err   error
}

// follow sends events until there are no more or nobody reads them.
func follow(to *events, first received, more <-chan received) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	next := first
	for {
		if err := to.tell(next); err != nil || next.err != nil {
			return
		}
		for waiting := true; waiting; {
			select {
			case n, ok := <-more:
				if !ok {
					return
				}
				next, waiting = n, false
			case <-ticker.C:
				if to.write(": still here\n\n") != nil {
					return
				}
			}
		}
	}
}

// lastEvent is the number of the last event that the watcher has seen.
func lastEvent(r *http.Request) (uint64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	if text == "" {
		return 0, nil
	}
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fault.InvalidField("after", "%.40q is no event's id: leave it out to begin with the generation as it stands", text)
	}
	return number, nil
}

// events writes server-sent events.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func newEvents(w http.ResponseWriter) *events {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	e := &events{w: w, control: http.NewResponseController(w)}
	_ = e.write(fmt.Sprintf("retry: %d\n\n", again.Milliseconds()))
	return e
}

// tell sends what came from the stream, its end too.
func (e *events) tell(r received) error {
	switch {
	case errors.Is(r.err, io.EOF):
		return e.write("event: end\ndata: {}\n\n")
	case r.err != nil:
		p := ProblemOf(r.err)
		if p.Retryable {
			return nil // a connection that just ends is watched again
		}
		data, err := json.Marshal(p)
		if err != nil {
			return err
		}
		return e.write(fmt.Sprintf("event: problem\ndata: %s\n\n", data))
	case r.event.GetGeneration() != nil:
		return e.send("generation", r.event.GetNumber(), r.event.GetGeneration())
	default:
		return e.send("progress", r.event.GetNumber(), r.event.GetProgress())
	}
}

func (e *events) send(kind string, number uint64, m proto.Message) error {
	data, err := protojson.Marshal(m) // one line
	if err != nil {
		return err
	}
	return e.write(fmt.Sprintf("event: %s\nid: %d\ndata: %s\n\n", kind, number, data))
}

func (e *events) write(text string) error {
	if err := e.control.SetWriteDeadline(time.Now().Add(slow)); err != nil {
		return err
	}
	if _, err := io.WriteString(e.w, text); err != nil {
		return err
	}
	return e.control.Flush()
}
