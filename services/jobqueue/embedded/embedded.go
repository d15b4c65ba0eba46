// Package embedded runs a nats-server with JetStream inside this process, its
// streams in files.
//
// What the server has accepted survives a killed process, for the writes are in
// the operating system's cache by then. A power cut may take what was accepted
// in the last SyncInterval, unless Settings.SyncAlways is set, which costs one
// disk sync a write.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/facestudio/facestudio/services/jobqueue/gather"
)

// SyncInterval is how often files are synced without SyncAlways.
const SyncInterval = 2 * time.Second

// poll is how often Start looks whether the server serves.
const poll = 10 * time.Millisecond

// Settings of an embedded server.
type Settings struct {
	// Dir is where streams are stored; it is made when missing and locked
	// against a second server. Required.
	Dir string
	// Listen is a loopback address such as "127.0.0.1:4222" (port 0 draws one)
	// for other processes; empty: none, only this process connects. There is no
	// authentication: whoever reaches the port may do everything.
	Listen string
	// MaxBytes bounds what JetStream stores; 0 means 8 GiB.
	MaxBytes int64
	// SyncAlways syncs the disk on every write. Without it a power cut may take
	// what was accepted in the last SyncInterval.
	SyncAlways bool
	// Logger gets the server's warnings and errors; default discards.
	Logger *slog.Logger
}

// Server is a running nats-server.
type Server struct {
	server *server.Server
	lock   *os.File
	listen bool
}

// Start runs a server and returns when it serves. It fails when the directory
// cannot be written or another server uses it, when the address is taken or is
// not a loopback address, or when ctx ends first.
func Start(ctx context.Context, s Settings) (*Server, error) {
	opts, err := options(s)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the NATS directory: %w", err)
	}
	lock, err := lockFile(filepath.Join(s.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("lock the NATS directory %s: %w; another process uses it: stop that or name another directory", s.Dir, err)
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("configure NATS: %w", err), lock.Close())
	}
	if s.Logger != nil {
		srv.SetLoggerV2(logger{s.Logger}, false, false, false)
	}
	srv.Start()
	started := &Server{server: srv, lock: lock, listen: s.Listen != ""}
	// The library has no signal for it but a bounded wait.
	for !srv.ReadyForConnections(poll) {
		if !srv.Running() || ctx.Err() != nil {
			started.Close()
			return nil, fmt.Errorf("start NATS in %s: it does not serve: %w", s.Dir, errors.Join(ctx.Err(), errStopped))
		}
	}
	if !srv.JetStreamEnabled() {
		started.Close()
		return nil, fmt.Errorf("start NATS in %s: JetStream is off: the directory may not be writable", s.Dir)
	}
	return started, nil
}

var errStopped = errors.New("the server stopped; is the address in use")

func options(s Settings) (*server.Options, error) {
	if s.Dir == "" {
		return nil, errors.New("the NATS directory is not set")
	}
	opts := &server.Options{
		ServerName: "facestudio", JetStream: true, StoreDir: s.Dir,
		JetStreamMaxStore: s.MaxBytes, SyncAlways: s.SyncAlways, SyncInterval: SyncInterval,
		DontListen: s.Listen == "", NoSigs: true, NoLog: s.Logger == nil,
	}
	if opts.JetStreamMaxStore == 0 {
		opts.JetStreamMaxStore = 8 << 30
	}
	if s.Listen == "" {
		return opts, nil
	}
	host, port, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return nil, fmt.Errorf("the NATS address: %w", err)
	}
	ip := net.ParseIP(host)
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("the NATS address %s is not a loopback address; run a nats-server with accounts for other machines", s.Listen)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("the NATS address %s: %w", s.Listen, err)
	}
	opts.Host, opts.Port = host, int(number)
	if number == 0 {
		opts.Port = server.RANDOM_PORT
	}
	return opts, nil
}

// Connect returns a connection that does not leave the process. The caller
// closes it before the server.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect("", append([]nats.Option{nats.InProcessServer(gather.InProcess(s.server))}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded NATS: %w", err)
	}
	return nc, nil
}

// URL returns where other processes connect; empty when it does not listen.
func (s *Server) URL() string {
	if !s.listen {
		return ""
	}
	return s.server.ClientURL()
}

// Close stops the server and waits until its files are written.
func (s *Server) Close() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
	// The lock goes with the descriptor, and nothing was written through it.
	_ = s.lock.Close()
}
