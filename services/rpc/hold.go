package rpc

import (
	"context"
	"sync"

	"google.golang.org/grpc"
)

// hold answers a call for as long as the guard lets it go on.
func (d *door) hold(ctx context.Context, info *grpc.StreamServerInfo, answer func(context.Context) error) (err error) {
	ctx, end := context.WithCancelCause(ctx)
	var held sync.WaitGroup
	var ended error
	held.Go(func() {
		if ended = d.guard.Hold(ctx, info.FullMethod); ended != nil {
			end(ended)
		}
	})
	defer func() {
		end(nil)
		held.Wait()
		if err != nil && ended != nil {
			err = ended
		}
	}()
	return answer(ctx)
}

// leaving is a stream whose caller is not waited for when the call ends here.
type leaving struct {
	grpc.ServerStream
	ctx context.Context
}

// RecvMsg implements grpc.ServerStream. What it leaves behind ends with the
// stream, which is when the method has returned; nobody looks at m then.
func (l leaving) RecvMsg(m any) error {
	received := make(chan error, 1)
	go func() { received <- l.ServerStream.RecvMsg(m) }()
	select {
	case err := <-received:
		return err
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	}
}
