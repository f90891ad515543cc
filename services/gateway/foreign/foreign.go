package foreign

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/sidecart/sidecart/services/gateway/bridge"
	"github.com/sidecart/sidecart/services/gateway/contracts"
	"github.com/sidecart/sidecart/services/kit/fault"
)

// Bounds of the section.
const (
	maxServices  = 16
	maxFileBytes = 1 << 20
)

// Config is the section `services` of gateway.yaml, by the services' names, which are their app ids.
type Config map[string]Service

// Service is one of them.
type Service struct {
	GRPC GRPC `yaml:"grpc"`
}

// GRPC names the files that say how the service is spoken to. Paths begin where the gateway was started, as its own settings' do.
type GRPC struct {
	Contract    string `yaml:"contract"`    // OpenAPI 3.0 with x-roles
	Descriptors string `yaml:"descriptors"` // a FileDescriptorSet with all imports, as protoc and buf write it
}

var serviceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// Check names everything that is wrong whatever the files say.
func (c Config) Check() []fault.Fault {
	var bad []fault.Fault
	say := func(message string, at ...any) {
		bad = append(bad, fault.Fault{Place: fault.At(at...), Message: message})
	}
	if len(c) > maxServices {
		say(fmt.Sprintf("has %d services, over the bound of %d", len(c), maxServices))
	}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if !serviceName.MatchString(name) {
			say("want the app id of a service: small letters, digits and dashes, up to 31, a letter first", name)
		}
		if c[name].GRPC.Contract == "" {
			say("needs the file of an OpenAPI document that says what is open to whom: contract: pricing.yaml", name, "grpc")
		}
		if c[name].GRPC.Descriptors == "" {
			say("needs the file that protoc --include_imports --descriptor_set_out writes: descriptors: pricing.binpb", name, "grpc")
		}
	}
	return bad
}

// Files are the paths of all files that the section names, in the order of its services.
func (c Config) Files() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		all = append(all, c[name].GRPC.Contract, c[name].GRPC.Descriptors)
	}
	return all
}

// Conn reaches an app through the sidecar; it lives as long as the program.
type Conn func(app string) grpc.ClientConnInterface

// Open reads the files of a section that Check finds nothing wrong with. With a fault there are no contracts.
func Open(c Config, conn Conn) ([]*contracts.Contract, []fault.Fault) {
	var all []*contracts.Contract
	var bad []fault.Fault
	for _, name := range slices.Sorted(maps.Keys(c)) {
		contract, faults := open(name, c[name].GRPC, conn)
		all = append(all, contract)
		for _, f := range faults {
			bad = append(bad, fault.Fault{Place: fault.At(name, "grpc") + f.Place, Message: f.Message})
		}
	}
	if len(bad) > 0 {
		return nil, bad
	}
	return all, nil
}

func open(name string, g GRPC, conn Conn) (*contracts.Contract, []fault.Fault) {
	at := func(key string, err error) []fault.Fault {
		return []fault.Fault{{Place: fault.At(key), Message: err.Error()}}
	}
	files, err := readDescriptors(g.Descriptors)
	if err != nil {
		return nil, at("descriptors", err)
	}
	text, err := Read(g.Contract)
	if err != nil {
		return nil, at("contract", err)
	}
	contract, err := contracts.Read(name, text)
	if err != nil {
		return nil, at("contract", err)
	}
	var wrong []error
	for _, o := range contract.Operations() {
		b, err := bridge.Find(files, o.Method, o.Template)
		switch {
		case o.Silent:
			wrong = append(wrong, fmt.Errorf("%s: no operation says in x-roles who may call it", o))
		case o.ID == "":
			wrong = append(wrong, fmt.Errorf("%s: has no operationId, by which rules could name it", o))
		case err != nil:
			wrong = append(wrong, fmt.Errorf("%s: %w", o, err))
		default: // a way of its own, so that nobody who may call this operation reaches another one's method by its path
			o.Via = bridge.NewTransport(conn, []*bridge.Binding{b})
		}
	}
	if len(wrong) > 0 {
		return nil, at("contract", errors.Join(wrong...))
	}
	return contract, nil
}

// Read reads a file that the section names, of up to 1 MiB.
func Read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s", path)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case info.Size() > maxFileBytes:
		return nil, fmt.Errorf("%s has %d bytes, over %d", path, info.Size(), maxFileBytes)
	}
	return os.ReadFile(path)
}

// readDescriptors reads a FileDescriptorSet.
func readDescriptors(path string) (*protoregistry.Files, error) {
	raw, err := Read(path)
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(raw, set); err != nil || len(set.GetFile()) == 0 {
		return nil, fmt.Errorf("%s is no descriptor set: protoc --include_imports --descriptor_set_out writes one", path)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, fmt.Errorf("%s does not hold together (was it written with --include_imports?): %w", path, err)
	}
	return files, nil
}
