// Package jobqueue is durable, memoised gRPC over NATS JetStream.
package jobqueue
