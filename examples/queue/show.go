package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"

	wordsv1 "github.com/facestudio/facestudio/proto/gen/facestudio/words/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
)

const text = "Nothing accepted is lost"

// show tells the story.
func show(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "queue-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	nats, err := embedded.Start(ctx, embedded.Settings{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	defer nats.Close()
	nc, err := nats.Connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	queue, err := jobqueue.Open(ctx, nc, settings)
	if err != nil {
		return err
	}
	defer queue.Close()

	first, err := startWorker(ctx, nats.URL())
	if err != nil {
		return err
	}
	defer first.kill()

	// A generated client takes the queue as it takes a connection.
	client := wordsv1.NewWordServiceClient(jobqueue.NewConn(queue, jobqueue.ConnSettings{Bundle: kind}))
	call := jobqueue.WithCall(ctx, jobqueue.Call{Tenant: "ada", Owner: "texts/1"})
	answered := make(chan error, 1)
	var answer *wordsv1.CountWordsResponse
	go func() {
		var err error
		answer, err = client.CountWords(call, &wordsv1.CountWordsRequest{Text: text})
		answered <- err
	}()
	if err := first.counts(); err != nil {
		return err
	}
	first.kill()
	fmt.Printf("worker %d was killed while it counted\n", first.cmd.Process.Pid)
	second, err := startWorker(ctx, nats.URL())
	if err != nil {
		return err
	}
	defer second.kill()
	if err := <-answered; err != nil {
		return fmt.Errorf("count words: %w", err)
	}
	fmt.Printf("worker %d counted %d words\n", answer.GetProcess(), answer.GetWords())
	second.kill()
	again, err := client.CountWords(call, &wordsv1.CountWordsRequest{Text: text})
	if err != nil {
		return fmt.Errorf("count words again: %w", err)
	}
	fmt.Printf("asked again, with no worker there: %d words\n", again.GetWords())
	return nil
}

// worker is this program once more, as a worker.
type worker struct {
	cmd  *exec.Cmd
	said io.Reader
}

func startWorker(ctx context.Context, url string) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	w := &worker{cmd: exec.CommandContext(ctx, self, "-worker", url)} //nolint:gosec // it is this program
	w.cmd.Stderr = os.Stderr
	if w.said, err = w.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("listen to a worker: %w", err)
	}
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	return w, nil
}

// counts returns once the worker has begun to count.
func (w *worker) counts() error {
	if _, err := bufio.NewReader(w.said).ReadString('\n'); err != nil {
		return fmt.Errorf("wait for a worker: %w", err)
	}
	return nil
}

// kill kills the worker and waits for it to be gone; once more does nothing.
func (w *worker) kill() {
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait()
}
