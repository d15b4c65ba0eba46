// Package rpc is the mesh's gRPC: a server with health, reflection, traces,
// message limits, recovery, one mapping of faults to statuses and a stop
// within a grace, and HTTP/1.1 on the same address where it is asked for; and
// the client connection that fits it.
package rpc
