package gather_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/jobqueue/gather"
	"github.com/facestudio/facestudio/services/testkit/ports"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipe is a gathering connection and the other end of it.
func pipe(t *testing.T) (*gather.Conn, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	conn := gather.New(near)
	t.Cleanup(func() { _ = conn.Close(); _ = far.Close() })
	return conn, far
}

func TestWhatIsWrittenArrivesWholeAndInOrder(t *testing.T) {
	const writers, each = 16, 500
	conn, far := pipe(t)
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for n := range each {
				b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(n))
				if _, err := conn.Write(b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var next [writers]uint32
	record := make([]byte, 8)
	for range writers * each {
		if _, err := io.ReadFull(far, record); err != nil {
			t.Fatal(err)
		}
		w, n := binary.BigEndian.Uint32(record), binary.BigEndian.Uint32(record[4:])
		if w >= writers || n != next[w] {
			t.Fatalf("writer %d: got %d, want %d", w, n, next[w])
		}
		next[w]++
	}
	writing.Wait()
}

func TestClosingWritesWhatWasGathered(t *testing.T) {
	conn, far := pipe(t)
	want := bytes.Repeat([]byte("word"), 1000)
	if n, err := conn.Write(want); n != len(want) || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	closed := make(chan error, 1)
	go func() { closed <- conn.Close() }()
	if got, err := io.ReadAll(far); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := conn.Write(want); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after it was closed: %v", err)
	}
}

// Who does not read holds up those who write, until their deadline, and no memory.
func TestWritersWaitForAReader(t *testing.T) {
	conn, _ := pipe(t)
	if err := conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 64<<10)
	var written int
	for {
		n, err := conn.Write(part)
		written += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil || written > 4<<20 {
			t.Fatalf("%d bytes are waiting, %v", written, err)
		}
	}
	begun := time.Now()
	_ = conn.Close()
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("closing took %v", took)
	}
}

func TestAFailedWriteIsTold(t *testing.T) {
	conn, far := pipe(t)
	_ = far.Close()
	for {
		if _, err := conn.Write([]byte("x")); err != nil {
			if !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("got %v", err)
			}
			return
		}
	}
}

// A connection of the library's gathers, and is back after it was cut.
func TestConnectionsToNATS(t *testing.T) {
	server, err := embedded.Start(t.Context(), embedded.Settings{Dir: scratch.Dir(t), Listen: ports.Address(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	back := make(chan struct{}, 1)
	nc, err := nats.Connect(server.URL(), gather.Writes(), nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync("numbers")
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		var publishing sync.WaitGroup
		for range 8 {
			publishing.Go(func() {
				for n := range 100 {
					if err := nc.Publish("numbers", []byte(strconv.Itoa(n))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		publishing.Wait()
		for range 800 {
			if _, err := sub.NextMsg(time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if round == 0 {
			if err := nc.ForceReconnect(); err != nil {
				t.Fatal(err)
			}
			<-back
		}
	}
}
