// Package wire bounds what a message may be before it is decoded. Bytes are cheap
// to send and dear to decode: two of them are an empty element of a list, which
// then takes a hundred. No request of the mesh needs many elements, and one
// without bytes in it, a picture's or a tensor's, is small.
package wire

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/facestudio/facestudio/services/fault"
)

const (
	// MaxElements bounds the messages and the texts of lists in a message.
	MaxElements = 1 << 14
	// MaxPlain bounds a message of a kind that has no bytes in it, bytes.
	MaxPlain = 1 << 20
)

// Check refuses a message of a kind by its bytes. That they are no message at all
// is not for it to say.
func Check(data []byte, of protoreflect.MessageDescriptor) error {
	if len(data) > MaxPlain && !HasBytes(of) {
		return TooLarge()
	}
	left := MaxElements
	if !count(data, of, &left) {
		return TooMany()
	}
	return nil
}

// TooLarge is the fault of a message that has more than MaxPlain bytes.
func TooLarge() error {
	return fault.InvalidField("", "the request has more than %d bytes, and nothing in it could need so many: leave some out", MaxPlain)
}

// TooMany is the fault of a message that has more than MaxElements elements.
func TooMany() error {
	return fault.InvalidField("", "the lists of the request have more than %d elements together: leave some out", MaxElements)
}

// count takes the elements of a message from those that are left; false when there
// are more.
func count(data []byte, of protoreflect.MessageDescriptor, left *int) bool {
	fields := of.Fields()
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return true
		}
		data = data[n:]
		field := fields.ByNumber(number)
		if kind != protowire.BytesType || field == nil {
			if n = protowire.ConsumeFieldValue(number, kind, data); n < 0 {
				return true
			}
			data = data[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(data)
		if n < 0 {
			return true
		}
		data = data[n:]
		if field.Message() != nil || field.IsList() {
			if *left--; *left < 0 {
				return false
			}
		}
		if field.Message() != nil && !count(value, field.Message(), left) {
			return false
		}
	}
	return true
}

// kinds remembers which kinds of messages have bytes; they are part of the program.
var kinds sync.Map // of protoreflect.FullName: bool

// HasBytes tells whether messages of a kind, or what is in them, have fields of
// bytes.
func HasBytes(of protoreflect.MessageDescriptor) bool {
	if known, ok := kinds.Load(of.FullName()); ok {
		return known.(bool)
	}
	found := hasBytes(of, map[protoreflect.FullName]bool{})
	kinds.Store(of.FullName(), found)
	return found
}

func hasBytes(of protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if seen[of.FullName()] {
		return false
	}
	seen[of.FullName()] = true
	for i := range of.Fields().Len() {
		field := of.Fields().Get(i)
		if field.Kind() == protoreflect.BytesKind || field.Message() != nil && hasBytes(field.Message(), seen) {
			return true
		}
	}
	return false
}
