package jobqueue

import (
	"strings"

	"github.com/facestudio/facestudio/services/seal"
)

// Streams and buckets. Their names and the subjects below are the same for
// every mesh: one NATS account holds one mesh.
const (
	workStream   = "WORK"
	auditStream  = "AUDIT"
	deadStream   = "DEAD"
	resultsName  = "results"
	recordsName  = "records"
	secretsName  = "installation"
	attemptsName = "attempts"
	keysName     = "data-keys"
)

// Subjects:
//
//	work.<stage>.<bundle>.<class>.<tenant>.<key>   stage work, stream WORK
//	dead.<stage>.<bundle>.<class>.<tenant>.<key>   dead letters, stream DEAD
//	event.<tenant>.<key>.done                      a result was created (RePublish) or, empty,
//	                                               the work left the queue; look again
//	word.<process>                                 a worker tells a call of that process, whose
//	                                               work it took, the outcome
//	event.<tenant>.<key>.progress                  a message of a stream, not the last
//	audit.<tenant>                                 the audit log, stream AUDIT
//	cancel.<stage>.<bundle>.<tenant>.<key>         a caller cancelled owned work
//	progress.<tenant>.<id>                         news of a record
//	key.<tenant>.<scope>                           a data key was destroyed
const (
	workAll = "work.>"
	deadAll = "dead.>"

	auditAll = "audit.*"

	eventDone     = "done"
	eventProgress = "progress"

	goneKeys = "key.*.*"

	resultsSource = "$KV." + resultsName + ".*.*"
	resultsTarget = "event.{{wildcard(1)}}.{{wildcard(2)}}." + eventDone
)

// maxToken bounds an element of a subject, in bytes.
const maxToken = 63

// validToken says whether s can be one element of a subject: 1 to 63 letters,
// digits, "_" or "-". Each message is asked five times, which a regular expression
// would make felt.
func validToken(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return 1 <= len(s) && len(s) <= maxToken
}

// address is where a piece of work is in the queue. It is all in the subject,
// so that no header can contradict what a consumer filtered by.
type address struct{ stage, bundle, class, tenant, key string }

func (a address) work() string { return "work." + a.tail() }
func (a address) dead() string { return "dead." + a.tail() }

func (a address) tail() string {
	return strings.Join([]string{a.stage, a.bundle, a.class, a.tenant, a.key}, ".")
}

func (a address) cancel() string {
	return strings.Join([]string{"cancel", a.stage, a.bundle, a.tenant, a.key}, ".")
}

func (a address) event(kind string) string {
	return strings.Join([]string{"event", a.tenant, a.key, kind}, ".")
}

func (a address) crew() crew { return crew{a.stage, a.bundle} }

// result is the key of the result in its bucket.
func (a address) result() string { return a.tenant + "." + a.key }

// parseAddress is the inverse of work; it says false for a foreign subject.
func parseAddress(subject string) (address, bool) {
	parts := strings.Split(subject, ".")
	if len(parts) != 6 || parts[0] != "work" {
		return address{}, false
	}
	for _, part := range parts[1:] {
		if !validToken(part) {
			return address{}, false
		}
	}
	return address{parts[1], parts[2], parts[3], parts[4], parts[5]}, true
}

// consumerName is the durable of a stage, bundle and class.
func consumerName(stage, bundle, class string) string {
	return strings.Join([]string{stage, bundle, class}, "_")
}

// nextMessage is where the server is asked for the next message of a consumer.
func nextMessage(consumer string) string {
	return strings.Join([]string{"$JS.API.CONSUMER.MSG.NEXT", workStream, consumer}, ".")
}

func consumerFilter(stage, bundle, class string) string {
	return strings.Join([]string{"work", stage, bundle, class, ">"}, ".")
}

func cancelFilter(stage, bundle string) string { return "cancel." + stage + "." + bundle + ".>" }

func (k RecordKey) stored() string { return k.Tenant + "." + k.ID }

func (k RecordKey) topic() string { return "progress." + k.Tenant + "." + k.ID }

func auditSubject(tenant string) string { return "audit." + tenant }

func goneKey(of seal.Scope) string { return "key." + of.Tenant + "." + of.Name }

func parseRecordKey(stored string) (RecordKey, bool) {
	tenant, id, ok := strings.Cut(stored, ".")
	return RecordKey{tenant, id}, ok && validToken(tenant) && validToken(id)
}

// stageOf is the room of a service: "denoiser" for
// facestudio.denoiser.v1.DenoiserService.
func stageOf(service string) string {
	parts := strings.Split(service, ".")
	if len(parts) < 3 {
		return ""
	}
	return parts[len(parts)-3]
}
