package e2e_test

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// junk is what fills a stream: subjects of it that nobody reads, one for each
// message.
var junk = map[string]string{
	"WORK":       "work.none.none.batch.junk.",
	"KV_records": "$KV.records.junk.",
	"KV_results": "$KV.results.junk.",
}

// junkSize is small enough that little room is left.
const junkSize = 64 << 10

// fill stores into a stream until it takes nothing more, or the servers do not
// answer. When enough is closed it takes the junk away again, however long that
// takes.
func (a *arena) fill(stream string, enough <-chan struct{}) {
	ctx, done := context.WithTimeout(a.t.Context(), 3*time.Second)
	defer done()
	for n := range storeMiB << 20 / junkSize {
		_, err := a.js.Publish(ctx, fmt.Sprint(junk[stream], n), make([]byte, junkSize), jetstream.WithRetryAttempts(0))
		if err != nil {
			break
		}
	}
	<-enough
	a.clear(stream)
}

// clear takes the junk away.
func (a *arena) clear(stream string) {
	until := time.Now().Add(2 * patience)
	for time.Now().Before(until) {
		asking, answered := context.WithTimeout(a.t.Context(), 2*time.Second)
		s, err := a.js.Stream(asking, stream)
		if err == nil {
			err = s.Purge(asking, jetstream.WithPurgeSubject(junk[stream]+"*"))
		}
		answered()
		if err == nil {
			return
		}
	}
	a.t.Errorf("stream %s cannot be cleared", stream)
}
