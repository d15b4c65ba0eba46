// Package jobqueue is durable, memoised gRPC over NATS JetStream. It gives the
// mesh its two queues: calls of stages (Conn and Server, which take the places of
// a grpc.ClientConn and a grpc.Server) and records (Records), which are pieces of
// work that are their own queue entries.
//
// # Calls
//
// A method that travels through the queue says in its key_rule which calls are
// the same work. Calls of an owned method with the same Call.Owner are the same;
// calls of a method with a content key are the same, within a tenant, when the
// listed fields of their requests are. Of the same work there is at most one in
// the queue: a second call joins the first. Its outcome is recorded once, by
// creating a key that must not exist; whoever creates it decides, and a repeated
// call is answered with what was recorded for as long as it is kept.
//
// Durable is what was published: when callers and workers die the work stays in
// the queue, and when a caller repeats its call it finds the work or its outcome.
// A call therefore waits through restarts of everything until its deadline. It is
// run at least once, perhaps several times and at the same time (a worker that is
// cut off does not know that its work was given to another), so handlers give the
// same answer to the same request; recorded is exactly one.
//
// What a handler returns leads to this:
//
//   - OK and final faults (bad input, not found, failed precondition) are recorded.
//   - Faults that may pass (UNAVAILABLE, RESOURCE_EXHAUSTED with a retry delay)
//     and what nobody classified (a panic too) are tried again after a delay that
//     doubles, by any worker.
//   - After MaxAttempts of these the message becomes a dead letter and its outcome
//     is INTERNAL with reason ATTEMPTS_EXHAUSTED; so it does after MaxKills workers
//     fell silent over it, as if it had killed them. A worker that stops and hands
//     work back counts as neither.
//
// Who publishes work is told of its end by the worker that recorded it, who joins it by
// the server. Both may be lost; whoever waits looks for itself every Recheck and after a
// reconnection, and nothing but the created key decides.
//
// Of a server-streaming call the last message is the outcome. Those before it are
// progress: they are told to those who listen at the moment, and may be lost.
// Each is sent when the next one is there, for only then it is known not to be
// the last.
//
// Deadlines travel with the work: it is not begun after its deadline, and its
// context ends then. That a deadline passed is never recorded, for it belongs to
// a call, not to the work: another call with more time that joined puts the work
// into the queue again. Deadlines are by the server's clock, from which every
// process knows how far its own is off.
//
// Cancelling the context of a call to an owned method cancels the work, for all
// who call in the owner's name: the caller creates the outcome CANCELLED, so that
// no other can be recorded, and tells the worker, whose context ends. The outcome
// ends the calls in flight and no later ones: a new call begins anew. Two causes
// do not cancel: ErrLeaseLost and ErrShutdown say that somebody else goes on with
// the owner's work. Leaving a call with a content key never stops the work;
// others may wait for it, and its result is kept.
//
// Messages are at most MaxPayload; large values are stored as blobs and sent by
// digest. Header and trailer metadata of responses and call options are not
// carried. Statuses are, with their details.
//
// # Records
//
// A record is queued by being created: one write, durable when it returns.
// Workers watch all records, choose one that nobody holds, and claim it by
// compare-and-set. The claim is a lease that its holder renews; when the record's
// revision has not changed for as long as the lease lasts, by the local clock,
// another worker claims it and runs the work again. Every write of a holder names
// the revision it saw, so that one that has lost its lease can not write.
//
// A record may have something to be done once its work has ended (FollowUp): the
// write that ends the work also makes that due. It is done at least once, by one
// worker at a time, and again when that one dies or asks for it.
//
// # What it does not promise
//
// There is no order among calls, nor among records beyond the choice that a
// worker makes at a moment by what it knows (Fairness). Results are
// kept for a time (Settings), not for ever. What survives a power cut is the NATS
// server's to say: see package embedded and docs/jobqueue.md.
package jobqueue
