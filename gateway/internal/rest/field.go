package rest

import (
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/facestudio/facestudio/services/fault"
)

// setField sets a field of a message from text, by either of its names. Numbers,
// texts, truth values, enums and durations can be set.
func setField(m proto.Message, name, text string) error {
	fields := m.ProtoReflect().Descriptor().Fields()
	field := fields.ByName(protoreflect.Name(name))
	if field == nil {
		field = fields.ByJSONName(name)
	}
	if field == nil || field.IsList() || field.IsMap() {
		return fault.InvalidField(name, "a form has no such part: /docs tells what there is")
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return nil // a form's way to leave a field out
	}
	value, ok := parseValue(field, text)
	if !ok {
		return fault.InvalidField(string(field.Name()), "%.40q is no %s", text, kindWord(field))
	}
	m.ProtoReflect().Set(field, value)
	return nil
}

func parseValue(field protoreflect.FieldDescriptor, text string) (protoreflect.Value, bool) {
	switch field.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text), true
	case protoreflect.BoolKind:
		b, err := strconv.ParseBool(text)
		return protoreflect.ValueOfBool(b), err == nil
	case protoreflect.Int32Kind:
		n, err := strconv.ParseInt(text, 10, 32)
		return protoreflect.ValueOfInt32(int32(n)), err == nil
	case protoreflect.Uint64Kind:
		n, err := strconv.ParseUint(text, 10, 64)
		return protoreflect.ValueOfUint64(n), err == nil
	case protoreflect.FloatKind:
		f, err := strconv.ParseFloat(text, 32)
		return protoreflect.ValueOfFloat32(float32(f)), err == nil
	case protoreflect.EnumKind:
		return parseEnum(field.Enum(), text)
	case protoreflect.MessageKind:
		if field.Message().FullName() != new(durationpb.Duration).ProtoReflect().Descriptor().FullName() {
			return protoreflect.Value{}, false
		}
		d, err := time.ParseDuration(text)
		return protoreflect.ValueOfMessage(durationpb.New(d).ProtoReflect()), err == nil
	default:
		return protoreflect.Value{}, false
	}
}

// parseEnum finds a value by its name, or by what follows the enum's own in it,
// or by the first words of that: "keep" is BACKGROUND_KEEP, "random" is
// BACKGROUND_RANDOM_IDENTITY.
func parseEnum(enum protoreflect.EnumDescriptor, text string) (protoreflect.Value, bool) {
	want := strings.ToUpper(strings.ReplaceAll(text, "-", "_"))
	values := enum.Values()
	unset, _ := strings.CutSuffix(string(values.ByNumber(0).Name()), "UNSPECIFIED")
	found := protoreflect.Value{}
	for i := range values.Len() {
		name, value := string(values.Get(i).Name()), protoreflect.ValueOfEnum(values.Get(i).Number())
		if name == want || name == unset+want {
			return value, true
		}
		if strings.HasPrefix(name, unset+want+"_") {
			found = value
		}
	}
	return found, found.IsValid()
}

func kindWord(field protoreflect.FieldDescriptor) string {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return "truth value: use true or false"
	case protoreflect.Int32Kind, protoreflect.Uint64Kind:
		return "whole number in its range"
	case protoreflect.FloatKind:
		return "number"
	case protoreflect.EnumKind:
		values := field.Enum().Values()
		var names []string
		unset, _ := strings.CutSuffix(string(values.ByNumber(0).Name()), "UNSPECIFIED")
		for i := 1; i < values.Len(); i++ {
			names = append(names, strings.ToLower(strings.TrimPrefix(string(values.Get(i).Name()), unset)))
		}
		return "value of it: use " + strings.Join(names, ", ")
	case protoreflect.MessageKind:
		if field.Message().FullName() == "google.protobuf.Duration" {
			return "length of time: use for example 90s"
		}
	default:
	}
	return "part of a form: send it in the part generation, as JSON"
}
