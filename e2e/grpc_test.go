package e2e

import (
	"context"
	"encoding/json"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/porttest"
)

// caller calls a shop by gRPC and knows of it what the shop itself tells (server reflection), as grpcurl does.
type caller struct {
	conn  *grpc.ClientConn
	files *protoregistry.Files
}

func dialShop(t *testing.T, address, service string) caller {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx, grpc.WaitForReady(true))
	require.NoError(t, err)
	require.NoError(t, stream.Send(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service},
	}))
	answer, err := stream.Recv()
	require.NoError(t, err)
	set := &descriptorpb.FileDescriptorSet{}
	for _, raw := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := &descriptorpb.FileDescriptorProto{}
		require.NoError(t, proto.Unmarshal(raw, file))
		set.File = append(set.File, file)
	}
	files, err := protodesc.NewFiles(set)
	require.NoError(t, err)
	return caller{conn, files}
}

// call makes a call with a request written as JSON, and gives the answer and the metadata before it.
func (c caller) call(ctx context.Context, t *testing.T, service, method string, request any, headers ...string) (map[string]any, metadata.MD, error) {
	t.Helper()
	found, err := c.files.FindDescriptorByName(protoreflect.FullName(service))
	require.NoError(t, err)
	m := found.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(method))
	require.NotNil(t, m, method)
	in, out := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	raw, err := json.Marshal(request)
	require.NoError(t, err)
	require.NoError(t, protojson.Unmarshal(raw, in))
	var header metadata.MD
	err = c.conn.Invoke(metadata.AppendToOutgoingContext(ctx, headers...), "/"+service+"/"+method, in, out, grpc.Header(&header))
	if err != nil {
		return nil, header, err
	}
	raw, err = protojson.MarshalOptions{UseProtoNames: true}.Marshal(out)
	require.NoError(t, err)
	var answer map[string]any
	require.NoError(t, json.Unmarshal(raw, &answer))
	return answer, header, nil
}

// TestAnOrderByGRPC places, pays and reads an order by gRPC, as who a token says. The rules are those of HTTP: nobody may without a token,
// strangers find nothing, and what is done has the trace that the call came with, to the mail.
func TestAnOrderByGRPC(t *testing.T) {
	harness.Each(t, func(t *testing.T, p harness.Placement) {
		const orders = "sidecart.order.v1.OrderService"
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(porttest.Free(t, 1)[0]))
		s := harness.Open(t, p, harness.WithEnv("SIDECART_GATEWAY_GRPC_ADDR", address))
		sku := stocked(t, s, 5)
		shop := dialShop(t, address, orders)
		bearer := func(c *client.Client) []string { return []string{"authorization", "Bearer " + c.Token()} }
		ada, eve := bearer(s.For("ada")), bearer(s.For("eve"))
		traced := func(header []string) (id string, with []string) {
			id = strings.ReplaceAll(uuid.NewString(), "-", "")
			return id, append(header[:2:2], "traceparent", "00-"+id+"-00f067aa0ba902b7-01", "idempotency-key", "k-"+id)
		}
		contact := map[string]any{"email": "ada@example.com", "phone": "+4915112345678"}
		order := map[string]any{"contact": contact, "lines": []any{map[string]any{"sku": sku, "quantity": 2}}}

		_, _, err := shop.call(t.Context(), t, orders, "PlaceOrder", order, "idempotency-key", "k")
		require.Equal(t, codes.Unauthenticated, status.Code(err), err)
		_, _, err = shop.call(t.Context(), t, orders, "PlaceOrder", order, "authorization", "Bearer made.up.token", "idempotency-key", "k")
		require.Equal(t, codes.Unauthenticated, status.Code(err), err)

		placing, with := traced(ada)
		placed, header, err := shop.call(t.Context(), t, orders, "PlaceOrder", order, with...)
		require.NoError(t, err)
		id, _ := placed["id"].(string)
		require.NotEmpty(t, id)
		assert.Equal(t, "ada", placed["customer"])
		assert.Equal(t, "STATUS_AWAITING_PAYMENT", placed["status"])
		assert.Equal(t, []string{placing}, header.Get("x-trace-id"))
		assert.Equal(t, []string{"201"}, header.Get("x-http-code"))
		again, _, err := shop.call(t.Context(), t, orders, "PlaceOrder", order, with...)
		require.NoError(t, err)
		assert.Equal(t, id, again["id"], "a repeat gets the first answer")

		_, _, err = shop.call(t.Context(), t, orders, "GetOrder", map[string]any{"id": id}, eve...)
		require.Equal(t, codes.NotFound, status.Code(err), err)
		_, _, err = shop.call(t.Context(), t, orders, "GetOrder", map[string]any{"id": id})
		require.Equal(t, codes.Unauthenticated, status.Code(err), err)
		read, _, err := shop.call(t.Context(), t, orders, "GetOrder", map[string]any{"id": id}, ada...)
		require.NoError(t, err)
		assert.Equal(t, placed["total"], read["total"])
		byHTTP, err := s.For("ada").Order(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, id, byHTTP.ID, "it is the same shop")

		paying, with := traced(ada)
		_, _, err = shop.call(t.Context(), t, orders, "PayOrder", map[string]any{"id": id, "method": "card"}, with...)
		require.NoError(t, err)
		toldOf(t, s, tracedOrder{id, placing, paying})
	})
}
