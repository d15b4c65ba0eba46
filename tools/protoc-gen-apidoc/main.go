// Command protoc-gen-apidoc writes the OpenAPI document of the REST API: one
// openapi.json of all services. It is a plugin of protoc around
// protoc-gen-openapiv3, which must be on the PATH. That one reads HTTP rules only
// from annotations; here they come from the same file as those of the REST
// gateway, so that the protos need no imports for them.
//
// Parameters: rules=FILE, a gRPC API configuration; overlay=FILE, a part of an
// OpenAPI document, as YAML, that is laid over the generated one.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "protoc-gen-apidoc:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	data, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	req := new(pluginpb.CodeGeneratorRequest)
	if err := proto.Unmarshal(data, req); err != nil {
		return fmt.Errorf("decode the request: %w", err)
	}
	document, err := generate(req)
	res := &pluginpb.CodeGeneratorResponse{
		SupportedFeatures: new(uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL)),
	}
	if err != nil {
		res.Error = new(err.Error())
	} else {
		res.File = []*pluginpb.CodeGeneratorResponse_File{{Name: new("openapi.json"), Content: new(string(document))}}
	}
	if data, err = proto.Marshal(res); err != nil {
		return fmt.Errorf("encode the response: %w", err)
	}
	_, err = out.Write(data)
	return err
}

func generate(req *pluginpb.CodeGeneratorRequest) ([]byte, error) {
	files := map[string]string{}
	for parameter := range strings.SplitSeq(req.GetParameter(), ",") {
		name, file, _ := strings.Cut(parameter, "=")
		files[name] = file
	}
	if files["rules"] == "" || files["overlay"] == "" {
		return nil, errors.New("the parameters rules and overlay are needed")
	}
	if err := annotate(req, files["rules"]); err != nil {
		return nil, fmt.Errorf("take the rules of %s: %w", files["rules"], err)
	}
	parts, err := openapi(req)
	if err != nil {
		return nil, fmt.Errorf("run protoc-gen-openapiv3: %w", err)
	}
	overlay, err := readYAML(files["overlay"])
	if err != nil {
		return nil, err
	}
	return assemble(parts, enumSchemas(req), overlay)
}

// openapi runs protoc-gen-openapiv3 and returns its documents.
func openapi(req *pluginpb.CodeGeneratorRequest) ([][]byte, error) {
	req.Parameter = new("disable_default_errors")
	data, err := proto.Marshal(req)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("protoc-gen-openapiv3") //nolint:noctx // it ends with this process
	cmd.Stdin, cmd.Stderr = bytes.NewReader(data), os.Stderr
	if data, err = cmd.Output(); err != nil {
		return nil, err
	}
	res := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(data, res); err != nil {
		return nil, err
	}
	if res.Error != nil {
		return nil, errors.New(res.GetError())
	}
	parts := make([][]byte, len(res.GetFile()))
	for i, file := range res.GetFile() {
		parts[i] = []byte(file.GetContent())
	}
	return parts, nil
}
