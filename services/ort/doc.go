// Package ort runs ONNX graphs with ONNX Runtime. It is the only importer of
// the native library's binding: the environment, the execution providers, the
// sessions with their bounded slots, and the cancelling of a run in flight.
//
// A Runtime is the loaded library; a process has one, however often Start is
// called. A Session is one graph, checked against its contract when it is
// loaded. Sessions may be used by many goroutines.
//
// Results are bit-exact for one build of ONNX Runtime, one CPU feature set,
// one number of threads and one model.
package ort
