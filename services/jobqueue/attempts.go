package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
)

// The server counts deliveries, and not how they ended. A worker that lives notes
// that before it gives a message back; what began and no note tells the end of
// ended in silence, as if the worker had been killed. That the first delivery
// began is taken for granted, because a note of each would cost every call a
// write: later ones are noted, or else work that only lay in the hands of a
// worker, beside what killed it, would be blamed each time.

// tries is how the earlier deliveries of a message ended.
type tries struct {
	// failed ended with a fault that may pass.
	failed uint64
	// silent ended without a word.
	silent uint64
}

// sortOut tells how the deliveries before this one ended. A note may count more
// than there were: a worker that was cut off notes its end late.
func sortOut(delivered uint64, note *jobqueuev1.Attempts) tries {
	before := max(delivered, 1) - 1
	began, told := min(before, 1+note.GetBegun()), note.GetFailed()+note.GetHandedBack()
	return tries{failed: note.GetFailed(), silent: began - min(told, began)}
}

// attemptsBytes bounds the bucket of notes, of which there is one for each piece
// of work that was delivered more than once lately.
const attemptsBytes = 64 << 20

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

// noteBegin writes down that the handler is called now, once.
func (j *job) noteBegin(ctx context.Context) error {
	noted := j.began || j.attempt <= 1
	j.began = true
	if noted {
		return nil
	}
	return j.note(ctx, func(a *jobqueuev1.Attempts) { a.Begun++ })
}

// noteFailed writes down that this delivery ends with a fault that may pass.
func (j *job) noteFailed(ctx context.Context) error {
	return errors.Join(j.noteBegin(ctx), j.note(ctx, func(a *jobqueuev1.Attempts) { a.Failed++ }))
}

// noteHandedBack writes down that this delivery ends without fault of the work.
// There is nothing to tell the end of when it did not begin.
func (j *job) noteHandedBack(ctx context.Context) error {
	if !j.began && j.attempt > 1 {
		return nil
	}
	return j.note(ctx, func(a *jobqueuev1.Attempts) { a.HandedBack++ })
}

// note writes down how this delivery goes. What began and ends without a note
// counts as ended in silence.
func (j *job) note(ctx context.Context, change func(*jobqueuev1.Attempts)) error {
	for range noteTries {
		note, revision, err := j.attempts(ctx)
		if err != nil {
			return err
		}
		change(note)
		value, err := proto.Marshal(note)
		if err != nil {
			return fmt.Errorf("encode attempts: %w", err)
		}
		if err := j.putNote(ctx, value, revision); !errors.Is(err, jetstream.ErrKeyExists) {
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
