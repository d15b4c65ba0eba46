// Package worker is what every process of the mesh shares: its configuration,
// the dependencies it opens (bundle, ONNX Runtime, NATS, blob store), the
// servers that offer a stage over plain gRPC and over the queue, and the order
// of start and stop.
//
// A stage is ready only after its models ran once and its queue takes work. On
// SIGTERM it takes no more work, finishes what it has in hand within the grace
// or hands it back, and exits with 0.
package worker
