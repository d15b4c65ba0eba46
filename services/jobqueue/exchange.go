package jobqueue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// store publishes a message to a stream and returns its number there. It is what the
// library does, without what that takes longest with: every call goes through it twice.
// What the stream refuses is a jetstream.APIError.
func (q *Queue) store(ctx context.Context, msg *nats.Msg) (uint64, error) {
	answer, err := q.exchange(ctx, msg)
	if errors.Is(err, nats.ErrNoResponders) {
		return 0, jetstream.ErrNoStreamResponse
	}
	if err != nil {
		return 0, err
	}
	return readStored(answer.Data)
}

// exchange sends a request and waits for its answer.
func (q *Queue) exchange(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	if ctx.Done() == nil {
		// The library keeps timers, where a context makes one.
		return q.nc.RequestMsg(msg, apiTimeout)
	}
	ctx, release := bounded(ctx)
	defer release()
	return q.nc.RequestMsgWithContext(ctx, msg)
}

// readStored reads a stream's answer.
func readStored(data []byte) (uint64, error) {
	// As it looks nearly always: {"stream":"WORK","seq":17}.
	if _, rest, ok := bytes.Cut(data, []byte(`","seq":`)); ok && bytes.HasPrefix(data, []byte(`{"stream":"`)) {
		if number, ok := bytes.CutSuffix(rest, []byte("}")); ok {
			if n, err := strconv.ParseUint(string(number), 10, 64); err == nil {
				return n, nil
			}
		}
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
		Seq   uint64              `json:"seq"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return 0, fmt.Errorf("read a stream's answer: %w", err)
	}
	if answer.Error != nil {
		return 0, answer.Error
	}
	if answer.Seq == 0 {
		return 0, errors.New("read a stream's answer: it has no number")
	}
	return answer.Seq, nil
}
