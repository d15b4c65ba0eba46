package jobqueue

import (
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Tags that keep values of different kinds apart.
const (
	tagUnset byte = iota
	tagNumber
	tagBytes
	tagList
	tagMap
	tagMessage
)

// canonical writes messages to a hash so that equal values, and only those,
// give equal bytes, whatever version of protobuf wrote or read them. Every
// value is tagged and every length written, so that no two values run into each
// other. Fields without a value, and fields that this program does not know,
// are left out.
type canonical struct{ to hash.Hash }

func (c canonical) path(m protoreflect.Message, path string) error {
	c.bytes([]byte(path))
	names := strings.Split(path, ".")
	for i, name := range names {
		field := m.Descriptor().Fields().ByName(protoreflect.Name(name))
		if field == nil {
			return fmt.Errorf("%s has no field %s", m.Descriptor().FullName(), path)
		}
		if i == len(names)-1 {
			c.field(m, field)
			return nil
		}
		if field.Message() == nil || field.IsList() || field.IsMap() {
			return fmt.Errorf("%s.%s is no message, as in %s", m.Descriptor().FullName(), name, path)
		}
		m = m.Get(field).Message()
	}
	return nil
}

func (c canonical) field(m protoreflect.Message, f protoreflect.FieldDescriptor) {
	if !m.Has(f) {
		c.tag(tagUnset)
		return
	}
	value := m.Get(f)
	switch {
	case f.IsList():
		list := value.List()
		c.tag(tagList)
		c.number(uint64(list.Len()))
		for i := range list.Len() {
			c.value(f, list.Get(i))
		}
	case f.IsMap():
		c.mapping(f, value.Map())
	default:
		c.value(f, value)
	}
}

func (c canonical) mapping(f protoreflect.FieldDescriptor, entries protoreflect.Map) {
	var keys []protoreflect.MapKey
	entries.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	slices.SortFunc(keys, func(a, b protoreflect.MapKey) int { return strings.Compare(a.String(), b.String()) })
	c.tag(tagMap)
	c.number(uint64(len(keys)))
	for _, k := range keys {
		c.value(f.MapKey(), k.Value())
		c.value(f.MapValue(), entries.Get(k))
	}
}

func (c canonical) message(m protoreflect.Message) {
	var set []protoreflect.FieldDescriptor
	m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		set = append(set, f)
		return true
	})
	slices.SortFunc(set, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number()) - int(b.Number()) })
	c.tag(tagMessage)
	c.number(uint64(len(set)))
	for _, f := range set {
		c.number(uint64(f.Number()))
		c.field(m, f)
	}
}

func (c canonical) value(f protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		c.message(v.Message())
	case protoreflect.StringKind:
		c.bytes([]byte(v.String()))
	case protoreflect.BytesKind:
		c.bytes(v.Bytes())
	case protoreflect.BoolKind:
		if v.Bool() {
			c.scalar(1)
		} else {
			c.scalar(0)
		}
	case protoreflect.EnumKind:
		c.scalar(uint64(v.Enum()))
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		c.scalar(math.Float64bits(v.Float()))
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		c.scalar(v.Uint())
	default:
		c.scalar(uint64(v.Int()))
	}
}

func (c canonical) scalar(v uint64) {
	c.tag(tagNumber)
	c.number(v)
}

func (c canonical) bytes(b []byte) {
	c.tag(tagBytes)
	c.number(uint64(len(b)))
	c.to.Write(b)
}

func (c canonical) tag(t byte) { c.to.Write([]byte{t}) }

func (c canonical) number(v uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	c.to.Write(b[:])
}
