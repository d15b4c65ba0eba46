package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/worker"
)

func openBundle(m worker.Mesh) Finding {
	f := Finding{Check: "bundle", Status: Fail}
	if m.Bundle == "" {
		f.Detail = "no bundle was found"
		f.Advice = "name its folder with --bundle or FACESTUDIO_BUNDLE"
		return f
	}
	b, err := m.OpenBundle()
	if err != nil {
		f.Detail = m.Bundle + ": " + fault.From(err).Error()
		f.Advice = "run `make setup` for files that are fetched, or restore the folder; see `facestudio bundle verify`"
		return f
	}
	f.Status = OK
	f.Detail = fmt.Sprintf("%s %s (%s), licence %s, at %s", b.Manifest.Name, b.Manifest.Version, b.ID(), b.Manifest.Licence, m.Bundle)
	if !b.Manifest.CommercialUse {
		f.Detail += ", not for commercial use"
	}
	return f
}

// enough is the free space that a mesh wants for its queue and pictures.
const enough = 2 << 30

// disk looks at the folder that exists above the data folder.
func disk(dir string) Finding {
	f := Finding{Check: "disk", Status: Fail}
	if dir == "" {
		f.Detail, f.Advice = "there is no home folder", "name a folder with --data-dir"
		return f
	}
	place, err := filepath.Abs(dir)
	for err == nil {
		if _, err = os.Stat(place); !errors.Is(err, fs.ErrNotExist) || place == filepath.Dir(place) {
			break
		}
		place, err = filepath.Dir(place), nil
	}
	if err != nil {
		f.Detail, f.Advice = err.Error(), "name another folder with --data-dir"
		return f
	}
	probe, err := os.CreateTemp(place, ".facestudio-")
	if err != nil {
		f.Detail, f.Advice = err.Error(), "make the folder writable, or name another with --data-dir"
		return f
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	var stat syscall.Statfs_t
	if err := syscall.Statfs(place, &stat); err != nil {
		f.Detail, f.Advice = err.Error(), "name another folder with --data-dir"
		return f
	}
	free := stat.Bavail * uint64(stat.Bsize)
	f.Status = OK
	f.Detail = fmt.Sprintf("%.1f GiB free for %s", float64(free)/(1<<30), dir)
	if free < enough {
		f.Status, f.Advice = Warn, "make room: 2 GiB are wanted for the queue and the pictures"
	}
	return f
}

// embeddedNATS starts the embedded server in a folder of its own.
func embeddedNATS(ctx context.Context) Finding {
	f := Finding{Check: "embedded nats", Status: Fail, Advice: "make the temporary folder writable (TMPDIR)"}
	dir, err := os.MkdirTemp("", "facestudio-doctor-")
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server, err := embedded.Start(ctx, embedded.Settings{Dir: dir})
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	defer server.Close()
	nc, err := server.Connect()
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	defer nc.Close()
	return Finding{Check: f.Check, Status: OK, Detail: "NATS " + nc.ConnectedServerVersion() + " starts with JetStream"}
}

// natsServer looks at a server that separate processes would use.
func natsServer(ctx context.Context, m worker.Mesh) Finding {
	f := Finding{Check: "nats", Status: Fail}
	m.NATSWait = 3 * time.Second
	nc, err := m.Connect(ctx, "facestudio-doctor", slog.New(slog.DiscardHandler), nil)
	if err != nil {
		f.Detail, f.Advice = err.Error(), "start a NATS server with JetStream there, or correct --nats-url"
		return f
	}
	defer nc.Close()
	if err := jetStream(ctx, nc); err != nil {
		f.Detail = config.RedactURL(m.NATSURL) + ": " + err.Error()
		f.Advice = "start the server with --jetstream"
		return f
	}
	f.Status, f.Detail = OK, fmt.Sprintf("%s, NATS %s with JetStream", config.RedactURL(m.NATSURL), nc.ConnectedServerVersion())
	return f
}

// jetStream asks the server for its account's JetStream.
func jetStream(ctx context.Context, nc *nats.Conn) error {
	ctx, done := context.WithTimeout(ctx, 3*time.Second)
	defer done()
	_, err := nc.RequestWithContext(ctx, "$JS.API.INFO", nil)
	if errors.Is(err, nats.ErrNoResponders) {
		return errors.New("it has no JetStream")
	}
	return err
}

// listen looks whether the address of the mesh is free.
func listen(ctx context.Context, address string) Finding {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err == nil {
		_ = listener.Close()
		return Finding{Check: "address", Status: OK, Detail: address + " is free"}
	}
	return Finding{
		Check: "address", Status: Warn, Detail: err.Error(),
		Advice: "a mesh may be running there; another takes --listen",
	}
}
