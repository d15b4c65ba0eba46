package sample

import (
	"context"
	"slices"
	"sync/atomic"
)

// together makes one step of each task in one run of the model and returns
// those that have more. When the shared run fails, each steps alone, so that a
// picture that cannot be made is nobody else's failure.
func together(tasks []*Task) []*Task {
	tasks = slices.DeleteFunc(tasks, func(t *Task) bool {
		err := context.Cause(t.ctx)
		return err != nil && !t.end(err)
	})
	if len(tasks) > 1 && safely(func() error { return predict(tasks) }) == nil {
		return slices.DeleteFunc(tasks, func(t *Task) bool {
			if err := safely(func() error { t.generation.advance(); return nil }); err != nil {
				return !t.end(err)
			}
			return !t.tell()
		})
	}
	return slices.DeleteFunc(tasks, func(t *Task) bool { return !t.step() })
}

// predict makes the predictions of the tasks' next steps, all of one kind. It
// ends early once nobody wants them any more.
func predict(tasks []*Task) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(tasks[0].ctx))
	defer cancel()
	var wanted atomic.Int64
	wanted.Store(int64(len(tasks)))
	calls := make([]Call, len(tasks))
	for i, t := range tasks {
		stop := context.AfterFunc(t.ctx, func() {
			if wanted.Add(-1) == 0 {
				cancel()
			}
		})
		defer stop()
		calls[i] = t.generation.call()
	}
	return calls[0].Predictor.(Joint).PredictAll(ctx, calls) //nolint:forcetypeassert // they have a kind
}

// group splits tasks into those that may share a run, at most limit each, in
// the order of their arrival.
func group(tasks []*Task, limit int) [][]*Task {
	var groups [][]*Task
	open := make(map[any]int)
	for _, t := range tasks {
		k := kind(t.generation.Predictor)
		if at, ok := open[k]; ok && k != nil && len(groups[at]) < limit {
			groups[at] = append(groups[at], t)
			continue
		}
		open[k] = len(groups)
		groups = append(groups, []*Task{t})
	}
	return groups
}
