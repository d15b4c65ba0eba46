package jobqueue

import (
	"context"
	"sync"

	"github.com/facestudio/facestudio/services/fault"
)

// feed tells those who follow one key each of a bucket its changes. However many they
// are, the server has one consumer for them all. It begins with the first and ends
// with the queue.
type feed struct {
	q *Queue
	// watch tells the changes of all keys.
	watch func(context.Context) (<-chan change, error)
	// starting is held by who begins to watch.
	starting chan struct{}

	mu      sync.Mutex
	running bool
	readers map[string]map[*reader]struct{}
}

func newFeed(q *Queue, watch func(context.Context) (<-chan change, error)) *feed {
	return &feed{q: q, watch: watch, starting: make(chan struct{}, 1), readers: map[string]map[*reader]struct{}{}}
}

// reader follows one key. Who has it leaves in the end.
type reader struct {
	feed *feed
	key  string
	// changes are those of the key; closed when no more are told, for the connection
	// is closed.
	changes chan change
	// missed says that some were not told, so that what is there has to be looked up.
	missed chan struct{}
}

// follow begins to tell the changes of a key: all that are stored from its return on.
func (f *feed) follow(ctx context.Context, key string) (*reader, error) {
	rd := &reader{feed: f, key: key, changes: make(chan change, watchKept), missed: make(chan struct{}, 1)}
	select {
	case f.starting <- struct{}{}:
		defer func() { <-f.starting }()
	case <-ctx.Done():
		return nil, fault.From(ctx.Err())
	}
	if f.add(rd) {
		return rd, nil
	}
	if err := f.begin(ctx); err != nil {
		return nil, err
	}
	if !f.add(rd) {
		return nil, errWatchEnded()
	}
	return rd, nil
}

// add adds a reader, if the feed runs.
func (f *feed) add(rd *reader) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.running {
		return false
	}
	if f.readers[rd.key] == nil {
		f.readers[rd.key] = map[*reader]struct{}{}
	}
	f.readers[rd.key][rd] = struct{}{}
	return true
}

// begin begins to watch.
func (f *feed) begin(ctx context.Context) error {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	updates, err := f.watch(ctx)
	if err != nil {
		stop()
		return err
	}
	f.mu.Lock()
	f.running = true
	f.mu.Unlock()
	f.q.wg.Go(func() {
		defer f.end()
		defer stop()
		for {
			select {
			case <-f.q.ending:
				return
			case c, open := <-updates:
				if !open {
					return
				}
				f.tell(c)
			}
		}
	})
	return nil
}

// tell never waits: a reader that is behind looks up what it missed.
func (f *feed) tell(c change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.missed {
		for _, readers := range f.readers {
			for rd := range readers {
				rd.again()
			}
		}
		return
	}
	for rd := range f.readers[c.key] {
		select {
		case rd.changes <- c:
		default:
			rd.again()
		}
	}
}

// end tells all readers that nothing comes any more.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = false
	for _, readers := range f.readers {
		for rd := range readers {
			close(rd.changes)
		}
	}
	clear(f.readers)
}

// again has the reader look up what is there.
func (rd *reader) again() {
	select {
	case rd.missed <- struct{}{}:
	default:
	}
}

// leave ends a reader.
func (rd *reader) leave() {
	f := rd.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.readers[rd.key], rd)
	if len(f.readers[rd.key]) == 0 {
		delete(f.readers, rd.key)
	}
}
