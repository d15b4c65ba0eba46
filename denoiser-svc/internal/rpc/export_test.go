package rpc

// Job reads a request.
var Job = (*Server).job
