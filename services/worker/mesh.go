package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/gather"
	"github.com/facestudio/facestudio/services/seal"
)

// Mesh is what an operator sets about the things that all processes of a mesh
// share: the queue, the pictures and the bundle.
type Mesh struct {
	// NATSURL is one or more NATS servers, comma-separated.
	NATSURL string
	// NATSCreds is a file of NATS user credentials. Empty: none.
	NATSCreds string
	// NATSToken is a NATS token. Empty: none.
	NATSToken config.Secret
	// NATSCA is a PEM file of the authority that the servers' certificates come
	// from. Empty: the system's.
	NATSCA string
	// NATSCert and NATSKey are PEM files of the certificate that is shown to the
	// servers. Both empty: none.
	NATSCert, NATSKey string
	// NATSWait is how long a start waits for the server.
	NATSWait time.Duration
	// Replicas of what the queue stores, 1 or 3; the same for all processes.
	Replicas int
	// MaxMiB bounds each stream and bucket, MiB; 0 means 1024. The same for all
	// processes.
	MaxMiB int
	// BlobURL is where pictures are stored: file:///folder, mem://, or a
	// bucket as gocloud.dev names it.
	BlobURL string
	// SealKeys are the URLs of the key-encryption keys that wrap the data keys of
	// what is stored, comma-separated, the newest first. Empty: SealKeyFile has
	// them.
	SealKeys config.Secret
	// SealKeyFile is a file with those URLs, one a line. It is made, with a key
	// that is drawn, when it is missing.
	SealKeyFile string
	// Bundle is the folder of the model bundle.
	Bundle string
	// BundleCache is the folder of a bundle's fetched files. Empty: .cache/models
	// beside the folder that holds the bundles.
	BundleCache string
	// RequireCommercial refuses a bundle whose licence forbids commercial use.
	RequireCommercial bool
}

// Register implements config.Section.
func (m *Mesh) Register(s *config.Set) {
	s.String(&m.NATSURL, "nats-url", nats.DefaultURL, "NATS servers, comma-separated")
	s.String(&m.NATSCreds, "nats-creds", "", "file of NATS user credentials")
	s.Secret(&m.NATSToken, "nats-token", "NATS token")
	s.String(&m.NATSCA, "nats-ca", "", "PEM file of the authority of the NATS servers' certificates; empty is the system's")
	s.String(&m.NATSCert, "nats-cert", "", "PEM file of the certificate that is shown to NATS")
	s.String(&m.NATSKey, "nats-key", "", "PEM file of the key of nats-cert")
	s.Duration(&m.NATSWait, "nats-wait", 30*time.Second, "how long a start waits for NATS")
	s.Int(&m.Replicas, "nats-replicas", 1, "copies of what the queue stores: 1, or 3 in a NATS cluster; the same for all processes")
	s.Int(&m.MaxMiB, "nats-max-mib", 1024, "MiB that each stream and bucket of the queue may hold; the same for all processes")
	s.String(&m.BlobURL, "blob-url", "", "where pictures are stored: file:///folder, mem:// or a bucket's URL; the same for all processes")
	s.Secret(&m.SealKeys, "seal-keys", "URLs of the keys that wrap the data keys, comma-separated, the newest first: base64key://... or a key service's; the same for all processes")
	s.String(&m.SealKeyFile, "seal-key-file", "", "file with those URLs, one a line; made with a key of its own when missing; the same for all processes")
	m.RegisterBundle(s)
}

// RegisterBundle registers only the settings of the bundle.
func (m *Mesh) RegisterBundle(s *config.Set) {
	s.String(&m.Bundle, "bundle", DefaultBundle(), "folder of the model bundle")
	s.String(&m.BundleCache, "bundle-cache", "", "folder of the bundle's fetched files; empty is .cache/models beside the folder of bundles")
	s.Bool(&m.RequireCommercial, "require-commercial", false, "refuse a bundle whose licence forbids commercial use")
}

// Validate implements config.Section.
func (m *Mesh) Validate(p *config.Problems) {
	for server := range strings.SplitSeq(m.NATSURL, ",") {
		u, err := url.Parse(strings.TrimSpace(server))
		p.Check(err == nil && u.Host != "", "nats-url", "%q is no URL: use nats://host:4222", config.RedactURL(server))
	}
	p.Check(m.NATSCreds == "" || isFile(m.NATSCreds), "nats-creds", "%s is no readable file", m.NATSCreds)
	p.Check(m.NATSCA == "" || isFile(m.NATSCA), "nats-ca", "%s is no readable file", m.NATSCA)
	p.Check(m.NATSCert == "" || isFile(m.NATSCert), "nats-cert", "%s is no readable file", m.NATSCert)
	p.Check(m.NATSKey == "" || isFile(m.NATSKey), "nats-key", "%s is no readable file", m.NATSKey)
	p.Check((m.NATSCert == "") == (m.NATSKey == ""), "nats-cert", "nats-cert and nats-key go together: set both or none")
	p.Check(m.NATSWait > 0, "nats-wait", "%v is not positive: use for example 30s", m.NATSWait)
	p.Check(m.Replicas == 1 || m.Replicas == 3, "nats-replicas", "%d is neither 1 nor 3", m.Replicas)
	p.Check(m.MaxMiB >= 1, "nats-max-mib", "%d is not positive", m.MaxMiB)
	u, err := url.Parse(m.BlobURL)
	p.Check(err == nil && u.Scheme != "", "blob-url",
		"%q is no URL: use file:///folder, the same for all processes of the mesh", config.RedactURL(m.BlobURL))
	p.Check((m.SealKeys == "") != (m.SealKeyFile == ""), "seal-key-file",
		"give either seal-key-file, for example /var/lib/facestudio/seal.keys, or seal-keys, the same for all processes of the mesh: what is stored is sealed with them")
	m.ValidateBundle(p)
}

// ValidateBundle checks only the settings of the bundle.
func (m *Mesh) ValidateBundle(p *config.Problems) {
	p.Check(m.Bundle != "", "bundle", "no bundle is named: give the folder that holds bundle.json")
	if m.Bundle != "" {
		p.Check(isFile(filepath.Join(m.Bundle, "bundle.json")), "bundle",
			"%s has no bundle.json: give the folder of a bundle", m.Bundle)
	}
}

// OpenBundle opens and verifies the bundle.
func (m *Mesh) OpenBundle() (*bundle.Bundle, error) {
	return bundle.Open(m.Bundle, bundle.Options{Cache: m.BundleCache, RequireCommercial: m.RequireCommercial})
}

// openKeeper opens the key-encryption keys; nil when no setting has any.
func (m *Mesh) openKeeper(ctx context.Context) (*seal.Keeper, error) {
	switch {
	case m.SealKeyFile != "":
		return seal.OpenKeyFile(ctx, m.SealKeyFile)
	case m.SealKeys != "":
		return seal.OpenKeeper(ctx, strings.Split(string(m.SealKeys), ",")...)
	default:
		return nil, nil
	}
}

// OpenQueue makes or checks the queue of the mesh.
func (m *Mesh) OpenQueue(ctx context.Context, nc *nats.Conn, log *slog.Logger) (*jobqueue.Queue, error) {
	keeper, err := m.openKeeper(ctx)
	if err != nil {
		return nil, err
	}
	q, err := jobqueue.Open(ctx, nc, jobqueue.Settings{Replicas: m.Replicas, MaxBytes: int64(m.MaxMiB) << 20, Keeper: keeper, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	return q, nil
}

// OpenBlobs opens the blob store, which is sealed with the mesh's data keys.
func (m *Mesh) OpenBlobs(ctx context.Context, ring *seal.Ring) (*blob.Store, error) {
	return blob.Open(ctx, m.BlobURL, ring)
}

// Connect connects to NATS and keeps connecting for NATSWait; the connection
// then stays for good and reconnects. onState is told when the connection is
// lost and when it is back; it may be nil.
func (m *Mesh) Connect(ctx context.Context, name string, log *slog.Logger, onState func(up bool)) (*nats.Conn, error) {
	if onState == nil {
		onState = func(bool) {}
	}
	up := make(chan struct{}, 1)
	options := []nats.Option{
		nats.Name(name),
		gather.Writes(),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(500 * time.Millisecond),
		// A connection that is cut without a word is noticed within 10 s.
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.RetryOnFailedConnect(true),
		nats.ConnectHandler(func(*nats.Conn) { up <- struct{}{} }),
		nats.ReconnectHandler(func(*nats.Conn) {
			log.Info("connection to nats is back")
			onState(true)
		}),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			// A close that we asked for is no loss.
			if err != nil && !nc.IsClosed() {
				log.Warn("connection to nats is lost", slog.Any("error", err))
				onState(false)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("nats reports an error", slog.Any("error", err))
		}),
	}
	if m.NATSCreds != "" {
		options = append(options, nats.UserCredentials(m.NATSCreds))
	}
	if m.NATSToken != "" {
		options = append(options, nats.Token(string(m.NATSToken)))
	}
	if m.NATSCA != "" {
		options = append(options, nats.RootCAs(m.NATSCA))
	}
	if m.NATSCert != "" {
		options = append(options, nats.ClientCert(m.NATSCert, m.NATSKey))
	}
	nc, err := nats.Connect(m.NATSURL, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to nats-url: %w", err)
	}
	if nc.IsConnected() {
		return nc, nil
	}
	log.Info("waiting for nats", slog.Duration("at_most", m.NATSWait))
	timer := time.NewTimer(m.NATSWait)
	defer timer.Stop()
	select {
	case <-up:
		return nc, nil
	case <-ctx.Done():
		nc.Close()
		return nil, context.Cause(ctx)
	case <-timer.C:
		err := nc.LastError()
		nc.Close()
		return nil, fault.Wrap(errors.Join(err), fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "nats-url",
			"no NATS server answers at %s: start it, or set nats-url", config.RedactURL(m.NATSURL))
	}
}

// DefaultBundle is the bundle beside the executable, models/facestudio-128
// below its parent folder, or the one below the working folder; empty when
// there is neither.
func DefaultBundle() string {
	const place = "models/facestudio-128"
	var candidates []string
	if executable, err := os.Executable(); err == nil {
		if resolved, err := filepath.EvalSymlinks(executable); err == nil {
			executable = resolved
		}
		candidates = append(candidates, filepath.Join(filepath.Dir(executable), "..", place))
	}
	for _, dir := range append(candidates, place) {
		if isFile(filepath.Join(dir, "bundle.json")) {
			return filepath.Clean(dir)
		}
	}
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
