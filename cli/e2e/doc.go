// Package e2e tests the whole mesh, with every real part: in one process, and as
// five programs with a NATS server between them.
package e2e
