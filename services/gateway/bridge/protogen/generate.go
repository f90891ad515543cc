package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	_ "google.golang.org/genproto/googleapis/api/annotations" // google/api/annotations.proto, which the files import
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// sources are the .proto files, from the module's root on; their Go code stands beside them.
var sources = []string{"inventory/inventorypb/inventory.proto", "order/orderpb/order.proto"}

// plugins are tools of this module (go.mod), so that the generator has the version of the library that the code is built with.
var plugins = []string{"google.golang.org/protobuf/cmd/protoc-gen-go", "google.golang.org/grpc/cmd/protoc-gen-go-grpc"}

// generate gives the Go files of sources by their names from root, the module's root, on.
func generate(ctx context.Context, root string) (map[string][]byte, error) {
	request, err := compile(ctx, root)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, plugin := range plugins {
		response, err := run(ctx, root, plugin, request)
		if err != nil {
			return nil, err
		}
		for _, file := range response.File {
			out[file.GetName()] = []byte(file.GetContent())
		}
	}
	return out, nil
}

// compile parses the files and gives what protoc would give its plugins.
func compile(ctx context.Context, root string) ([]byte, error) {
	known := protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
		file, err := protoregistry.GlobalFiles.FindFileByPath(path)
		if err != nil || filepath.Dir(path) != "google/api" { // ours are read anew, whatever is linked in
			return protocompile.SearchResult{}, protoregistry.NotFound
		}
		return protocompile.SearchResult{Desc: file}, nil
	})
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(protocompile.CompositeResolver{known, &protocompile.SourceResolver{ImportPaths: []string{root}}}),
		SourceInfoMode: protocompile.SourceInfoStandard, // for the comments
	}
	files, err := compiler.Compile(ctx, sources...)
	if err != nil {
		return nil, fmt.Errorf("compiling: %w", err)
	}
	parameter := "paths=source_relative"
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: sources, Parameter: &parameter, CompilerVersion: &pluginpb.Version{}}
	seen := map[string]bool{}
	for _, file := range files {
		request.ProtoFile = appendWithImports(request.ProtoFile, file, seen)
	}
	return proto.Marshal(request)
}

// appendWithImports appends file behind everything that it imports, as plugins want it.
func appendWithImports(to []*descriptorpb.FileDescriptorProto, file protoreflect.FileDescriptor, seen map[string]bool) []*descriptorpb.FileDescriptorProto {
	if seen[file.Path()] {
		return to
	}
	seen[file.Path()] = true
	imports := file.Imports()
	for i := range imports.Len() {
		to = appendWithImports(to, imports.Get(i).FileDescriptor, seen)
	}
	if parsed, ok := file.(linker.Result); ok { // with its comments
		return append(to, parsed.FileDescriptorProto())
	}
	return append(to, protodesc.ToFileDescriptorProto(file))
}

// run gives a plugin the request and reads its answer.
func run(ctx context.Context, root, plugin string, request []byte) (*pluginpb.CodeGeneratorResponse, error) {
	cmd := exec.CommandContext(ctx, "go", "tool", plugin)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "GOWORK=off")
	cmd.Stdin = bytes.NewReader(request)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	raw, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go tool %s: %w: %s", plugin, err, bytes.TrimSpace(stderr.Bytes()))
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(raw, response); err != nil {
		return nil, fmt.Errorf("go tool %s: %w", plugin, err)
	}
	if response.Error != nil {
		return nil, fmt.Errorf("go tool %s: %s", plugin, response.GetError())
	}
	return response, nil
}
