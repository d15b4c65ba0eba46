package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// tick is what the kernel counts processor time in (USER_HZ, the same on every Linux
// that Go runs on).
const tick = 10 * time.Millisecond

// processor is the processor time that this process, the server and the workers have
// taken. On a machine that has other things to do it says more than a rate.
func (h *house) processor() time.Duration {
	sum := processorOf("self")
	for _, cmd := range []*exec.Cmd{h.server, h.worker} {
		if cmd != nil {
			sum += processorOf(strconv.Itoa(cmd.Process.Pid))
		}
	}
	return sum
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
