package main

import (
	"strings"

	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// Field numbers of descriptors, which make the paths of source locations.
const (
	fileMessages, fileEnums       = 4, 5
	messageMessages, messageEnums = 3, 4
	enumValues                    = 2
)

// enumSchemas says what the values of each enum mean, in the form of schemas: the
// generator leaves that out, and OpenAPI has no field of its own for it.
func enumSchemas(req *pluginpb.CodeGeneratorRequest) map[string]any {
	out := map[string]any{}
	for _, file := range req.GetProtoFile() {
		comments := map[string]string{}
		for _, l := range file.GetSourceCodeInfo().GetLocation() {
			comments[key(l.GetPath())] = strings.Join(strings.Fields(l.GetLeadingComments()), " ")
		}
		add := func(prefix string, path []int32, enum *descriptorpb.EnumDescriptorProto) {
			meanings := map[string]any{}
			for i, value := range enum.GetValue() {
				meanings[value.GetName()] = comments[key(append(path, enumValues, int32(i)))]
			}
			out[prefix+"."+enum.GetName()] = map[string]any{"x-enum-descriptions": meanings}
		}
		var walk func(prefix string, path []int32, m *descriptorpb.DescriptorProto)
		walk = func(prefix string, path []int32, m *descriptorpb.DescriptorProto) {
			prefix += "." + m.GetName()
			for i, enum := range m.GetEnumType() {
				add(prefix, below(path, messageEnums, i), enum)
			}
			for i, inner := range m.GetNestedType() {
				walk(prefix, below(path, messageMessages, i), inner)
			}
		}
		for i, enum := range file.GetEnumType() {
			add(file.GetPackage(), below(nil, fileEnums, i), enum)
		}
		for i, m := range file.GetMessageType() {
			walk(file.GetPackage(), below(nil, fileMessages, i), m)
		}
	}
	return out
}

func below(path []int32, field, index int) []int32 {
	return append(append([]int32(nil), path...), int32(field), int32(index))
}

func key(path []int32) string {
	var b strings.Builder
	for _, n := range path {
		b.WriteRune(rune(n) + ' ')
	}
	return b.String()
}
