package e2e_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/ports"
)

// each is how many there are of every program in the arena.
const each = 2

// storeMiB bounds each stream and bucket there, so that they can be filled.
const storeMiB = 24

// arena is a mesh to be disturbed: three servers, two of every program, each
// connected through a link of its own. Only the goroutine of the test uses it.
type arena struct {
	t       *testing.T
	servers *cluster
	dir     string
	js      jetstream.JetStream
	fixed   map[string]int
	running map[string]*process
	links   map[string]*link
	// down are those that are down on purpose.
	down map[string]bool
	// again is when a program that ended by itself is started again.
	again map[string]time.Time
	// past are all that were ever started, for their logs.
	past []*process
	// gaveUp counts programs that ended by themselves.
	gaveUp int
	broken []string
	// full has for each stream that is filled what ends that; filling are those
	// who do it.
	full    map[string]chan struct{}
	filling sync.WaitGroup
}

func newArena(t *testing.T) *arena {
	t.Helper()
	a := &arena{
		t: t, servers: newCluster(t), dir: t.TempDir(),
		fixed: map[string]int{}, running: map[string]*process{}, links: map[string]*link{},
		full: map[string]chan struct{}{}, down: map[string]bool{}, again: map[string]time.Time{},
	}
	for _, p := range a.servers.servers {
		a.kept(p)
	}
	var err error
	if a.js, err = jetstream.New(a.servers.connect()); err != nil {
		t.Fatal(err)
	}
	free := ports.Free(t, len(programs)*each)
	for i, name := range a.programs() {
		a.fixed[name] = free[i]
		a.links[name] = newLink(t, a.servers.ports)
		a.begin(name)
	}
	a.settle()
	return a
}

// programs are the names of all parts of the mesh but the servers.
func (a *arena) programs() []string {
	var all []string
	for _, name := range programs {
		for n := range each {
			all = append(all, fmt.Sprintf("%s-%d", name, n+1))
		}
	}
	return all
}

func kindOf(name string) string { return name[:strings.LastIndexByte(name, '-')] }

func (a *arena) address(name string) string { return fmt.Sprintf("127.0.0.1:%d", a.fixed[name]) }

// begin starts a program and does not wait until it is ready.
func (a *arena) begin(name string) {
	a.t.Helper()
	if i, ok := serverIndex(name); ok {
		env, args := a.servers.command(i)
		a.servers.servers[i] = begin(a.t, a.servers.folder(i), env, "natsd", args...)
		a.kept(a.servers.servers[i])
		return
	}
	cert, key := a.servers.credentials()
	args := []string{
		"--nats-url", a.links[name].urls(), "--nats-ca", a.servers.file(clientCA), "--nats-cert", cert, "--nats-key", key,
		"--nats-replicas", "3", "--nats-max-mib", strconv.Itoa(storeMiB), "--listen", a.address(name),
		"--blob-url", "file://" + filepath.Join(a.dir, "blobs"),
		"--bundle", testkit.TinyBundleDir(a.t), "--bundle-cache", testkit.ModelCache(a.t),
	}
	kind := kindOf(name)
	if kind != "gateway" {
		args = append(args, "--ort-library", testkit.Library(a.t), "--threads", "1")
	}
	a.running[name] = begin(a.t, "", nil, kind, args...)
	a.kept(a.running[name])
}

// kept leaves the log of a program to keepLogs.
func (a *arena) kept(p *process) {
	p.quiet = true
	a.past = append(a.past, p)
}

func serverIndex(name string) (int, bool) {
	for i, server := range servers {
		if server == name {
			return i, true
		}
	}
	return 0, false
}

func (a *arena) process(name string) *process {
	if i, ok := serverIndex(name); ok {
		return a.servers.servers[i]
	}
	return a.running[name]
}

// trouble begins or ends a fault.
func (a *arena) trouble(m moment) {
	a.t.Helper()
	names := []string{m.trouble.target}
	if m.trouble.target == everyServer {
		names = servers
	}
	for _, name := range names {
		switch m.trouble.kind {
		case killed, blackout:
			a.down[name] = m.begin
			if m.begin {
				a.process(name).kill()
			} else {
				a.begin(name)
			}
		case paused:
			signal := syscall.SIGCONT
			if m.begin {
				signal = syscall.SIGSTOP
			}
			a.process(name).signal(signal)
		case cutOff:
			a.links[name].disturb(m.begin, false, 0)
		case silenced:
			a.links[name].disturb(false, m.begin, 0)
		case delayed:
			a.links[name].disturb(false, false, 200*time.Millisecond)
			if !m.begin {
				a.links[name].heal()
			}
		case filled:
			if m.begin {
				full := make(chan struct{})
				a.full[name] = full
				a.filling.Go(func() { a.fill(name, full) })
			} else {
				close(a.full[name])
			}
		}
	}
}

// supervise starts those again that ended by themselves, as any supervisor does.
// That they give up while there is no server is in order; that they crash is not.
func (a *arena) supervise() {
	a.t.Helper()
	for _, name := range append(a.programs(), servers...) {
		p := a.process(name)
		select {
		case <-p.ended:
		default:
			continue
		}
		if a.down[name] {
			continue
		}
		at, noticed := a.again[name]
		switch {
		case !noticed:
			a.gaveUp++
			log := p.output()
			a.t.Logf("%s gave up: %.400s", name, lastLine(log))
			if strings.Contains(log, "panic:") || strings.Contains(log, "fatal error:") || strings.Contains(log, "DATA RACE") {
				a.broken = append(a.broken, name+" crashed:\n"+log)
			}
			a.again[name] = time.Now().Add(time.Second)
		case time.Now().After(at):
			delete(a.again, name)
			a.begin(name)
		}
	}
}

// lastLine is what a program said last.
func lastLine(log string) string {
	log = strings.TrimSpace(log)
	return log[strings.LastIndexByte(log, '\n')+1:]
}

// settle waits until every program is ready, and no stream is full.
func (a *arena) settle() {
	a.t.Helper()
	a.filling.Wait()
	for _, stream := range stores {
		// What was still on its way then.
		a.clear(stream)
	}
	deadline := time.Now().Add(2 * patience)
	for _, name := range append(a.programs(), servers...) {
		for a.process(name).listen == "" {
			a.supervise()
			p := a.process(name)
			select {
			case p.listen = <-p.ready:
			case <-time.After(100 * time.Millisecond):
				if time.Now().After(deadline) {
					a.t.Fatalf("%s is not ready:\n%s", name, p.output())
				}
			}
		}
	}
}
