package gateway_test

import (
	"iter"
	"math/rand/v2"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// maxHostile is the largest message of a hostile caller that a server reads, bytes.
const maxHostile = 1 << 20

type hostileMessage struct {
	name    string
	message []byte
	// unreadable says that it is no message, tooMany that its lists are too long,
	// tooLarge that it has too many bytes.
	unreadable, tooMany, tooLarge bool
}

// hostile are messages for a method that takes d, the same ones each time.
func hostile(d protoreflect.MessageDescriptor) []hostileMessage {
	var tests []hostileMessage
	add := func(name string, message []byte) {
		tests = append(tests, hostileMessage{name: name, message: message, unreadable: !readable(d, message)})
	}
	add("empty", nil)
	add("field 0", []byte{0x00, 0x00})
	add("a length beyond the end", []byte{0x0a, 0xff, 0xff, 0xff, 0x07})
	add("a number without an end", slices.Repeat([]byte{0xff}, 64))
	add("groups in groups", groups(1_000, 1_000))
	add("groups too deep", groups(100_000, 100_000))
	add("groups without an end", groups(10, 9))
	add("unknown fields", unknown(20_000))
	for i, text := range []string{
		"\xff\xfe", "\x00", "generations/*", "generations/>", "subjects/../../keys", "generations/a\r\nb: c", "generations/\U0010ffff",
		strings.Repeat("é", 50), strings.Repeat("é", 5_000),
	} {
		add("texts: "+text[:min(len(text), 30)], filler{text: text, number: 1, pick: i}.fill(d, 0))
	}
	for i, number := range []uint64{1<<63 - 1, 1 << 63, ^uint64(0), 1 << 31, notANumber} {
		add("numbers", filler{text: "generations/7", number: number, pick: i}.fill(d, 0))
	}
	whole := filler{text: "generations/7", number: 1}.fill(d, 0)
	random := rand.New(rand.NewPCG(7, 1)) //nolint:gosec // not to be guessed is not what it is for
	for range min(12, len(whole)) {
		add("cut off", whole[:random.IntN(len(whole))])
		changed := slices.Clone(whole)
		for range 1 + random.IntN(4) {
			changed[random.IntN(len(changed))] = byte(random.UintN(256))
		}
		add("changed bytes", changed)
	}
	for name, message := range repeated(d, nil) {
		tests = append(tests, hostileMessage{name: "many " + name, message: message, tooMany: true})
	}
	return append(tests, hostileMessage{name: "too large", message: unknown(maxHostile/4 + 1), tooLarge: true})
}

// notANumber has the bits of a NaN in either width.
const notANumber = 0x7ff8_0000_7fc0_0000

func readable(d protoreflect.MessageDescriptor, message []byte) bool {
	return proto.Unmarshal(message, dynamicpb.NewMessage(d)) == nil
}

// groups are groups in each other that nobody knows.
func groups(begun, ended int) []byte {
	begin := protowire.AppendTag(nil, 1_000, protowire.StartGroupType)
	end := protowire.AppendTag(nil, 1_000, protowire.EndGroupType)
	return append(slices.Repeat(begin, begun), slices.Repeat(end, ended)...)
}

// unknown are fields that nobody knows, of four bytes each.
func unknown(n int) []byte {
	return slices.Repeat(protowire.AppendVarint(protowire.AppendTag(nil, 100_000, protowire.VarintType), 1), n)
}

// filler writes every field of a message.
type filler struct {
	// text is in every text, and number in every number, whether it fits or not.
	text   string
	number uint64
	// pick chooses among the fields of which a message has one.
	pick int
}

// maxDepth bounds how deep messages are filled: they could have themselves as fields.
const maxDepth = 6

func (f filler) fill(d protoreflect.MessageDescriptor, depth int) []byte {
	var out []byte
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		if one := field.ContainingOneof(); one != nil && one.Fields().Get(f.pick%one.Fields().Len()) != field {
			continue
		}
		out = f.append(out, field, depth)
		if field.IsList() {
			out = f.append(out, field, depth)
		}
	}
	return out
}

func (f filler) append(out []byte, field protoreflect.FieldDescriptor, depth int) []byte {
	tag := func(of protowire.Type) []byte { return protowire.AppendTag(out, field.Number(), of) }
	switch field.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return protowire.AppendString(tag(protowire.BytesType), f.text)
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if depth == maxDepth {
			return out
		}
		return protowire.AppendBytes(tag(protowire.BytesType), f.fill(field.Message(), depth+1))
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.AppendFixed32(tag(protowire.Fixed32Type), uint32(f.number)) //nolint:gosec // whether it fits or not
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.AppendFixed64(tag(protowire.Fixed64Type), f.number)
	default:
		return protowire.AppendVarint(tag(protowire.VarintType), f.number)
	}
}

// repeated are messages of maxHostile bytes, each with as many elements of one
// repeated field as there is room for. The path leads from the method's message to
// d.
func repeated(d protoreflect.MessageDescriptor, path []protoreflect.FieldDescriptor) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for i := range d.Fields().Len() {
			field := d.Fields().Get(i)
			if field.IsList() || field.IsMap() {
				element := protowire.AppendBytes(protowire.AppendTag(nil, field.Number(), protowire.BytesType), nil)
				const around = 64 // bytes for the tags and lengths of the messages around it
				message := slices.Repeat(element, (maxHostile-around)/len(element))
				for _, outer := range slices.Backward(path) {
					message = protowire.AppendBytes(protowire.AppendTag(nil, outer.Number(), protowire.BytesType), message)
				}
				if !yield(string(field.FullName()), message) {
					return
				}
			}
			if field.Message() == nil || field.IsMap() || len(path) == maxDepth {
				continue
			}
			for name, message := range repeated(field.Message(), append(slices.Clone(path), field)) {
				if !yield(name, message) {
					return
				}
			}
		}
	}
}
