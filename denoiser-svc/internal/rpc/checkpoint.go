package rpc

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/facestudio/facestudio/denoiser-svc/internal/sample"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/seal"
)

const (
	// checkpointVersion changes with what a Checkpoint means.
	checkpointVersion = "1"
	// forgetTimeout bounds how long a picture that is done waits for its
	// checkpoint to go.
	forgetTimeout = 5 * time.Second
)

// checkpoint keeps the state of the picture of one call. It implements
// paint.Checkpoints.
type checkpoint struct {
	blobs        Blobs
	log          *slog.Logger
	tenant, name string
	of           seal.Scope
	request      []byte
}

// checkpoint returns that of a call; nil for one that is not the queue's, which
// nobody repeats.
func (s *Server) checkpoint(call jobqueue.Call, req *denoiserv1.DenoiseRequest) *checkpoint {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if call.Owner == "" || err != nil {
		return nil
	}
	// Another build may write the same request in other bytes: then the picture
	// starts anew, which costs no more than time.
	sum := sha256.New()
	for _, part := range [][]byte{[]byte(checkpointVersion), []byte(diffusion.NoiseVersion), []byte(s.Bundle.Digest()), data} {
		sum.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(part))))
		sum.Write(part)
	}
	return &checkpoint{blobs: s.Blobs, log: s.Log, tenant: call.Tenant, name: "denoise/" + call.Owner, of: call.Scope(), request: sum.Sum(nil)}
}

// Load implements paint.Checkpoints.
func (c *checkpoint) Load(ctx context.Context) (sample.State, bool) {
	data, ok, err := c.blobs.Saved(ctx, c.tenant, c.name)
	if err != nil {
		c.warn(ctx, "read", err)
	}
	if !ok {
		return sample.State{}, false
	}
	state, err := decode(data, c.request)
	if err != nil {
		c.warn(ctx, "use", err)
		return sample.State{}, false
	}
	return state, true
}

// Save implements paint.Checkpoints.
func (c *checkpoint) Save(ctx context.Context, s sample.State) {
	m := &denoiserv1.Checkpoint{RequestSha256: c.request, StepsDone: int32(s.Done), Latent: floats(s.Latent)}
	for _, h := range s.History {
		m.History = append(m.History, floats(h))
	}
	data, err := proto.Marshal(m)
	if err == nil {
		err = c.blobs.Save(ctx, c.of, c.name, data)
	}
	if err != nil {
		c.warn(ctx, "save", err)
	}
}

// end removes the checkpoint once the call has ended with err, unless somebody
// goes on with it.
func (c *checkpoint) end(ctx context.Context, err error) {
	if cause := context.Cause(ctx); errors.Is(cause, jobqueue.ErrShutdown) || errors.Is(cause, jobqueue.ErrLeaseLost) {
		return
	}
	if err != nil && context.Cause(ctx) == nil && fault.From(err).Retryable {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetTimeout)
	defer cancel()
	if err := c.blobs.Forget(ctx, c.tenant, c.name); err != nil {
		c.warn(ctx, "remove", err)
	}
}

func (c *checkpoint) warn(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		c.log.WarnContext(ctx, "checkpoint failed", slog.String("what", what), slog.Any("error", err))
	}
}

// decode reads a checkpoint of a request.
func decode(data, request []byte) (s sample.State, err error) {
	m := &denoiserv1.Checkpoint{}
	if err := proto.Unmarshal(data, m); err != nil {
		return s, fmt.Errorf("read checkpoint: %w", err)
	}
	if string(m.GetRequestSha256()) != string(request) {
		return s, errors.New("read checkpoint: it is of another request")
	}
	s.Done, s.Latent = int(m.GetStepsDone()), values(m.GetLatent())
	for _, h := range m.GetHistory() {
		s.History = append(s.History, values(h))
	}
	return s, nil
}

func floats(v []float32) []byte {
	data := make([]byte, 0, 4*len(v))
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return data
}

func values(data []byte) []float32 {
	v := make([]float32, len(data)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return v
}
