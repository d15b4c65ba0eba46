package rpc

import (
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/wire"
)

// asStreams is a service whose unary methods are streams of one message each way,
// which on the wire is the same. gRPC reads and decodes the message of a unary
// method before anybody is asked whether its caller may call; that of a stream is
// read when the method wants it, after all interceptors.
func asStreams(desc *grpc.ServiceDesc) *grpc.ServiceDesc {
	streams := *desc
	streams.Methods, streams.Streams = nil, slices.Clone(desc.Streams)
	for _, method := range desc.Methods {
		streams.Streams = append(streams.Streams, grpc.StreamDesc{
			StreamName: method.MethodName,
			// gRPC asks stream interceptors about methods that stream, one way at least.
			ServerStreams: true,
			Handler: func(srv any, stream grpc.ServerStream) error {
				reply, err := method.Handler(srv, stream.Context(), stream.RecvMsg, nil)
				if err != nil {
					return err
				}
				return stream.SendMsg(reply)
			},
		})
	}
	return &streams
}

// boundStream has the messages of the mesh's methods looked at before they are
// decoded.
func boundStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if !ours(info.FullMethod) {
		return handler(srv, stream)
	}
	return handler(srv, bounded{stream})
}

// bounded is a stream that decodes what it receives when it has looked at it.
type bounded struct{ grpc.ServerStream }

func (b bounded) RecvMsg(m any) error {
	message, ok := m.(proto.Message)
	if !ok {
		return b.ServerStream.RecvMsg(m)
	}
	received := new(raw)
	if err := b.ServerStream.RecvMsg(received); err != nil {
		return err
	}
	defer received.Free()
	data := received.ReadOnlyData()
	if err := wire.Check(data, message.ProtoReflect().Descriptor()); err != nil {
		return err
	}
	if err := proto.Unmarshal(data, message); err != nil {
		return fault.Wrap(err, fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, "",
			"the bytes are no message of this method, or a text in them is not UTF-8: encode it by the method's own contract")
	}
	return nil
}

// raw is a message as it came.
type raw struct{ mem.Buffer }

// codec is gRPC's own, which leaves a message as it came where that is wanted.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if r, ok := v.(*raw); ok {
		r.Buffer = data.MaterializeToBuffer(mem.DefaultBufferPool())
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}
