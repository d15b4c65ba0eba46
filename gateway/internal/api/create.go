package api

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// firstOutput is the number of the first field of Generation that only the
// server sets.
const firstOutput = 32

// CreateGeneration implements GenerationService. Nothing is stored before
// everything was checked, and the one write that creates the record also
// queues the generation.
func (s *Service) CreateGeneration(ctx context.Context, req *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
	call, may, err := s.set.allow(ctx)
	if err != nil {
		return nil, err
	}
	id, err := newID(call.Tenant, req.GetRequestId(), s.set)
	if err != nil {
		return nil, err
	}
	asked := inputs(req.GetGeneration())
	if err := validate(asked, s.set.Manifest); err != nil {
		return nil, err
	}
	if err := s.set.fetch(ctx, may, picturesOf(asked)); err != nil {
		return nil, err
	}
	uploads, err := s.takePictures(ctx, call.Tenant, asked)
	if err != nil {
		return nil, err
	}
	key := jobqueue.RecordKey{Tenant: call.Tenant, ID: id}
	if req.GetRequestId() != "" {
		first, err := s.records.Get(ctx, key)
		if err == nil {
			return s.replay(first, asked)
		}
		if !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_GENERATION) {
			return nil, err
		}
	}
	if err := s.checkEnrolled(ctx, call.Tenant, asked); err != nil {
		return nil, err
	}
	if err := s.set.served(ctx, encoderStage, denoiserStage); err != nil {
		return nil, err
	}
	g, err := s.complete(asked, id)
	if err != nil {
		return nil, err
	}
	if err := s.set.tellEnd(g, id, may); err != nil {
		return nil, err
	}
	admitted, err := s.set.admit(ctx, key, call.Class, g, may)
	if err != nil {
		return nil, err
	}
	if err := s.store(ctx, call.Tenant, g, uploads); err != nil {
		admitted.giveBack(ctx)
		return nil, err
	}
	err = s.records.Create(ctx, key, call.Class, g)
	if err != nil {
		admitted.notCreated(ctx, err)
	}
	if errors.Is(err, record.ErrExists) {
		first, err := s.records.Get(ctx, key)
		if fault.Is(err, faultv1.Reason_REASON_UNKNOWN_GENERATION) {
			return nil, fault.New(fault.Conflict, faultv1.Reason_REASON_REQUEST_ID_REUSED, "request_id",
				"the generation that this request id created was deleted; draw a new one for a new request")
		}
		if err != nil {
			return nil, err
		}
		return s.replay(first, asked)
	}
	if err != nil {
		return nil, err
	}
	if err := s.store(ctx, call.Tenant, g, uploads); err != nil {
		return nil, err
	}
	return g, nil
}

// inputs returns a copy of the part of a generation that the caller decides.
func inputs(g *gatewayv1.Generation) *gatewayv1.Generation {
	if g == nil {
		return new(gatewayv1.Generation)
	}
	c := proto.CloneOf(g)
	c.Name = ""
	c.ProtoReflect().SetUnknown(nil)
	c.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if field.Number() >= firstOutput {
			c.ProtoReflect().Clear(field)
		}
		return true
	})
	return c
}

// complete returns what was asked with all that the caller left to the server.
func (s *Service) complete(asked *gatewayv1.Generation, id string) (*gatewayv1.Generation, error) {
	g := proto.CloneOf(asked)
	fillDefaults(g, s.set.Manifest)
	if g.Seed == nil {
		var b [8]byte
		if _, err := io.ReadFull(s.set.Random, b[:]); err != nil {
			return nil, fmt.Errorf("draw seed: %w", err)
		}
		g.Seed = new(binary.LittleEndian.Uint64(b[:]))
	}
	g.Name = record.Name(id)
	g.Bundle = s.set.Bundle
	g.State = gatewayv1.State_STATE_QUEUED
	g.CreateTime = timestamppb.New(s.set.Now())
	return g, nil
}

// replay answers a repeated request with the first one's generation, unless
// the two ask for different things. A seed that is left to the server agrees
// with the one that was drawn.
func (s *Service) replay(first, asked *gatewayv1.Generation) (*gatewayv1.Generation, error) {
	again := proto.CloneOf(asked)
	fillDefaults(again, s.set.Manifest)
	if again.Seed == nil {
		again.Seed = first.Seed
	}
	if !proto.Equal(again, inputs(first)) {
		return nil, fault.New(fault.Conflict, faultv1.Reason_REASON_REQUEST_ID_REUSED, "request_id",
			"the request id was used before with another request; draw a new one for a new request")
	}
	return first, nil
}
