package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is what the kernel counts processor time in (USER_HZ, the same on every Linux
// that Go runs on).
const tick = 10 * time.Millisecond

// spent is processor time. On a machine that has other things to do it says more than
// a rate.
type spent struct{ caller, server, workers time.Duration }

func (s spent) all() time.Duration { return s.caller + s.server + s.workers }

// less is what was spent since before, for each of n.
func (s spent) less(before spent, n float64) spent {
	each := func(now, then time.Duration) time.Duration { return time.Duration(float64(now-then) / n) }
	return spent{each(s.caller, before.caller), each(s.server, before.server), each(s.workers, before.workers)}
}

// processor is what this process, the server and the workers have spent.
func (h *house) processor() spent {
	s := spent{caller: processorOf("self"), server: processorOf(strconv.Itoa(h.server.Process.Pid))}
	for _, cmd := range h.others {
		s.workers += processorOf(strconv.Itoa(cmd.Process.Pid))
	}
	return s
}

// processorOf reads user and system time; 0 when there is no such process any more.
func processorOf(process string) time.Duration {
	text, err := os.ReadFile("/proc/" + process + "/stat")
	if err != nil {
		return 0
	}
	// The name, in parentheses, may have spaces in it (proc_pid_stat(5)).
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	var sum time.Duration
	for _, field := range fields[11:13] {
		ticks, _ := strconv.ParseInt(field, 10, 64)
		sum += time.Duration(ticks) * tick
	}
	return sum
}
