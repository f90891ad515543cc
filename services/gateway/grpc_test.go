package gateway

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sidecart/sidecart/services/inventory/inventorypb"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// TestGRPCGoesThroughTheSameDoor calls the real contract's operations in gRPC: they are matched, checked, authorized and mapped like
// requests in JSON, and none is mapped for a terminal.
func TestGRPCGoesThroughTheSameDoor(t *testing.T) {
	raw, err := os.ReadFile("../inventory/openapi.yaml")
	require.NoError(t, err)
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(string(raw), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"sku":"mug","title":"Mug","price":{"amount":1,"currency":"EUR"},"received":3,"available":1,"reserved":1,"sold":1,"version":2}`)
	})}}
	rules := t.TempDir() + "/gateway.yaml"
	require.NoError(t, os.WriteFile(rules, []byte("version: 1\nterminals: {web: {getItem: {keep: [/sku]}}}\n"), 0o600))
	s := gatewayOf(t, u, func(c *Config) { c.GRPCAddress, c.RulesPath = "127.0.0.1:0", rules })
	s.before = s.stages()
	address, server := s.PublicGRPC()
	require.NotNil(t, server)
	l, err := httpx.Listen(address)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer func() {
		assert.NoError(t, conn.Close())
		assert.NoError(t, server.Close())
		assert.NoError(t, <-ended)
	}()
	client := inventorypb.NewInventoryServiceClient(conn)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	item, err := client.GetItem(metadata.AppendToOutgoingContext(ctx, "x-request-id", "r-1", "sidecart-subject", "stolen"), &inventorypb.GetItemRequest{Sku: "mug"})
	require.NoError(t, err)
	assert.Equal(t, int64(2), item.Version, "all of it")
	seen := u.seen[len(u.seen)-1]
	assert.Equal(t, "/v1/inventory/mug", seen.URL.Path)
	assert.Equal(t, "r-1", seen.Header.Get("X-Request-Id"))
	assert.NotEqual(t, "stolen", seen.Header.Get("Sidecart-Subject"))

	_, err = client.GetItem(ctx, &inventorypb.GetItemRequest{Sku: strings.Repeat("x", 65)})
	assert.Equal(t, codes.InvalidArgument, status.Code(err), "the contract's bounds hold")
	_, err = client.PutItem(ctx, &inventorypb.PutItemRequest{Sku: "mug"})
	refusal := status.Convert(err)
	assert.Equal(t, codes.Unauthenticated, refusal.Code())
	require.NotEmpty(t, refusal.Details())
	assert.Equal(t, "UNAUTHENTICATED", refusal.Details()[0].(*errdetails.ErrorInfo).Reason)
	assert.Len(t, u.seen, 1, "what is refused comes no further")
}

func TestWithoutAnAddressThereIsNoGRPC(t *testing.T) {
	s := gatewayOf(t, &upstreams{}, nil)
	_, server := s.PublicGRPC()
	assert.Nil(t, server)
}
