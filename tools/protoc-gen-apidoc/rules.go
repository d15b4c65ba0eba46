package main

import (
	"encoding/json"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// annotate gives each method its HTTP rule from a gRPC API configuration.
func annotate(req *pluginpb.CodeGeneratorRequest, path string) error {
	rules, err := readRules(path)
	if err != nil {
		return err
	}
	for _, file := range req.GetProtoFile() {
		for _, service := range file.GetService() {
			for _, method := range service.GetMethod() {
				name := file.GetPackage() + "." + service.GetName() + "." + method.GetName()
				rule, ok := rules[name]
				if !ok {
					continue
				}
				delete(rules, name)
				if method.Options == nil {
					method.Options = new(descriptorpb.MethodOptions)
				}
				proto.SetExtension(method.Options, annotations.E_Http, rule)
			}
		}
	}
	for name := range rules {
		return fmt.Errorf("there is no method %s", name)
	}
	return nil
}

func readRules(path string) (map[string]*annotations.HttpRule, error) {
	config, err := readYAML(path)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(config["http"])
	if err != nil {
		return nil, err
	}
	list := new(annotations.Http)
	if err := protojson.Unmarshal(data, list); err != nil {
		return nil, err
	}
	rules := make(map[string]*annotations.HttpRule)
	for _, rule := range list.GetRules() {
		rules[rule.GetSelector()] = rule
	}
	return rules, nil
}

func readYAML(path string) (map[string]any, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	if err := yaml.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return out, nil
}
