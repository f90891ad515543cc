// Package foreigntest has a service that speaks nothing but gRPC, for tests: some of inventory's methods, with the contract of
// inventory and the descriptors of its .proto file.
package foreigntest

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/sidecart/sidecart/services/inventory/inventorypb"
)

// Contract writes the contract into a folder and gives its path; source is the folder of the service inventory. edit, which may be nil,
// changes it.
func Contract(t testing.TB, dir, source string, edit *strings.Replacer) string {
	text, err := os.ReadFile(filepath.Join(source, "openapi.yaml"))
	require.NoError(t, err)
	if edit != nil {
		text = []byte(edit.Replace(string(text)))
	}
	path := filepath.Join(dir, "shelf.yaml")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// Descriptors writes the descriptor set into a folder and gives its path.
func Descriptors(t testing.TB, dir string) string {
	set, seen := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	add(inventorypb.File_inventory_inventorypb_inventory_proto)
	raw, err := proto.Marshal(set)
	require.NoError(t, err)
	path := filepath.Join(dir, "shelf.binpb")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	return path
}

// Shelf is the service. A SKU's title says who asked and for what trace.
type Shelf struct {
	inventorypb.UnimplementedInventoryServiceServer
}

// GetItem has every SKU but none.
func (Shelf) GetItem(ctx context.Context, r *inventorypb.GetItemRequest) (*inventorypb.Item, error) {
	if r.Sku == "none" {
		return nil, status.Error(codes.NotFound, "there is no such SKU")
	}
	md, _ := metadata.FromIncomingContext(ctx)
	said := append(md.Get("sidecart-subject"), md.Get("traceparent")...)
	return &inventorypb.Item{Sku: r.Sku, Title: strings.Join(said, " "), Price: &inventorypb.Money{Amount: 1250, Currency: "EUR"}, Received: 3, Available: 3}, nil
}

// Restock has a title that says whose it was.
func (Shelf) Restock(_ context.Context, r *inventorypb.RestockRequest) (*inventorypb.Item, error) {
	return &inventorypb.Item{Sku: r.Sku, Title: r.Id, Price: &inventorypb.Money{Amount: 1250, Currency: "EUR"}, Received: r.Quantity, Available: r.Quantity}, nil
}

// Listen serves a Shelf on loopback until the test ends, and gives its port.
func Listen(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serve(t, l)
	return l.Addr().(*net.TCPAddr).Port
}

// Dial serves a Shelf in memory until the test ends, and gives a connection to it.
func Dial(t testing.TB) *grpc.ClientConn {
	l := bufconn.Listen(1 << 16)
	serve(t, l)
	conn, err := grpc.NewClient("passthrough:///shelf", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return conn
}

func serve(t testing.TB, l net.Listener) {
	server := grpc.NewServer()
	inventorypb.RegisterInventoryServiceServer(server, Shelf{})
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); require.NoError(t, <-ended) })
}
