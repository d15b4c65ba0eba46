package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
)

// The server counts deliveries, and knows neither how they ended nor whether the
// work ever began: it may have waited in the hands of a worker for its turn, or the
// delivery was lost on its way. So a worker that is about to call the handler writes
// that down first, and how the delivery ended before it gives the message back. What
// began and no note tells the end of ended in silence, as if it had killed the
// worker. What only lay there, beside what killed it, is not blamed.

// tries is what became of the earlier deliveries of a message.
type tries struct {
	// began is how many came as far as the handler.
	began uint64
	// failed ended with a fault that may pass.
	failed uint64
	// silent began, and ended without a word.
	silent uint64
}

// sortOut reads a note. It may tell more ends than beginnings, because a beginning
// could not be noted.
func sortOut(note *jobqueuev1.Attempts) tries {
	told := note.GetFailed() + note.GetHandedBack()
	return tries{began: note.GetBegun(), failed: note.GetFailed(), silent: note.GetBegun() - min(told, note.GetBegun())}
}

// attemptsBytes bounds the bucket of notes, of which there is one for each piece
// of work that is in hand or was given back.
const attemptsBytes = 64 << 20

// noteWorth is how long calls take at least whose first attempt is noted. Shorter
// ones would wait for the note about as long as they take themselves; a worker that
// one of them kills at its first attempt is not counted.
const noteWorth = aheadLeast

// noteTries bounds how often a note meets one that changed under it.
const noteTries = 4

// attempts reads the note of a message; an empty one when there is none.
func (j *job) attempts(ctx context.Context) (*jobqueuev1.Attempts, uint64, error) {
	none := &jobqueuev1.Attempts{PublishedNs: j.queued.UnixNano()}
	if j.attempt <= 1 {
		return none, 0, nil
	}
	ctx, release := bounded(ctx)
	defer release()
	entry, err := j.s.q.attempts.Get(ctx, j.noteKey())
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return none, 0, nil
	case err != nil:
		return nil, 0, fmt.Errorf("read earlier attempts: %w", err)
	}
	note := &jobqueuev1.Attempts{}
	if proto.Unmarshal(entry.Value(), note) != nil || note.GetPublishedNs() != j.queued.UnixNano() {
		return none, entry.Revision(), nil
	}
	return note, entry.Revision(), nil
}

// noteBegin writes down that the handler is about to be called.
func (j *job) noteBegin(ctx context.Context) error {
	if took := j.s.pace.of(j.work.method); j.attempt <= 1 && took != 0 && took < noteWorth {
		return nil
	}
	j.noted = true
	return j.note(ctx, func(a *jobqueuev1.Attempts) { a.Begun++ })
}

// noteEnd writes down how this delivery ends, if the message stays in the queue.
func (j *job) noteEnd(ctx context.Context, do action) error {
	j.unsure = nil
	switch do {
	case retry:
		return j.patiently(func() error { return j.noteFailed(ctx) })
	case handBack, passOn:
		return j.patiently(func() error { return j.noteHandedBack(ctx) })
	default:
		return nil
	}
}

// noteFailed writes down that this delivery ends with a fault that may pass.
func (j *job) noteFailed(ctx context.Context) error {
	return j.note(ctx, func(a *jobqueuev1.Attempts) {
		if !j.noted {
			a.Begun++
		}
		a.Failed++
	})
}

// noteHandedBack writes down that this delivery ends without fault of the work.
// There is nothing to tell the end of where no beginning is noted.
func (j *job) noteHandedBack(ctx context.Context) error {
	if !j.noted {
		return nil
	}
	return j.note(ctx, func(a *jobqueuev1.Attempts) { a.HandedBack++ })
}

// hasNote says whether there may be a note of the message.
func (j *job) hasNote() bool { return j.noted || j.attempt > 1 }

// forgetNote takes the note of a message away that has left the queue, without
// waiting for it: one that stays expires.
func (j *job) forgetNote() {
	if !j.hasNote() {
		return
	}
	marker := nats.NewMsg("$KV." + attemptsName + "." + j.noteKey())
	marker.Header.Set(operationHeader, "PURGE")
	marker.Header.Set(jetstream.MsgTTLHeader, markerTTL.String())
	if err := j.s.q.nc.PublishMsg(marker); err != nil {
		j.s.settings.Logger.Debug("a note of attempts stays until it expires", "error", err)
	}
}

// note writes down how this delivery goes. What began and ends without a note
// counts as ended in silence.
func (j *job) note(ctx context.Context, change func(*jobqueuev1.Attempts)) error {
	for range noteTries {
		note, revision, err := j.attempts(ctx)
		if err != nil {
			return err
		}
		if j.unsure != nil && proto.Equal(note, j.unsure) {
			return nil // it was written after all
		}
		change(note)
		value, err := proto.Marshal(note)
		if err != nil {
			return fmt.Errorf("encode attempts: %w", err)
		}
		if err := j.putNote(ctx, value, revision); !errors.Is(err, jetstream.ErrKeyExists) {
			if err != nil {
				j.unsure = note
			}
			return err
		}
		// Somebody noted in between, perhaps before this was a second delivery.
		j.attempt = max(j.attempt, 2)
	}
	return errors.New("note attempts: others write all the time")
}

func (j *job) putNote(ctx context.Context, value []byte, revision uint64) error {
	ctx, release := bounded(ctx)
	defer release()
	var err error
	if revision == 0 {
		_, err = j.s.q.attempts.Create(ctx, j.noteKey(), value)
	} else {
		_, err = j.s.q.attempts.Update(ctx, j.noteKey(), value, revision)
	}
	if isStale(err) {
		return jetstream.ErrKeyExists
	}
	if err != nil {
		return fmt.Errorf("note attempts: %w", err)
	}
	return nil
}

// noteKey names the message: its number in the stream is never used again.
func (j *job) noteKey() string { return strconv.FormatUint(j.sequence, 10) }
