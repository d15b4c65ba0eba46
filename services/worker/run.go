package worker

import (
	"context"
	"errors"
)

// Run runs one stage as a process of its own until ctx ends. The name is the
// binary's, "denoiser-svc"; the stage's is without "-svc".
func Run(ctx context.Context, name string, c Config, build Build) (err error) {
	host, err := Open(ctx, name, c.Mesh, c.RPC, c.Telemetry)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	runtime, err := c.Models.Start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, runtime.Close()) }()
	env := Env{
		Bundle: host.Bundle, Runtime: runtime, Provider: c.Models.Settings(),
		Threads: c.Models.Count(), Slots: c.Models.Slots, Batch: c.Models.Together(),
		Blobs: host.Blobs, Log: host.Log,
	}
	w, err := New(ctx, StageName(name), build, env, ServeSettings{Queue: host.Queue, Plain: host.Server, Grace: c.RPC.Grace})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	return host.Run(ctx, w.Run)
}
