package gateway

import (
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/order/orderpb"
)

// BenchmarkGRPC is an order placed by gRPC through the whole gateway over a loopback connection, in front of a service that answers at
// once: 64 callers on 4 connections, in the same process.
func BenchmarkGRPC(b *testing.B) {
	raw, err := os.ReadFile("../order/openapi.yaml")
	require.NoError(b, err)
	s := gatewayOf(b, &upstreams{handlers: map[string]http.Handler{"shop": stub(string(raw), nil)}}, nil)
	const order = `{"id":"0b8e6a52-3f1d-5d0a-9c58-7f6f2f0f4f3e","status":"awaiting_payment","customer":"ada","lines":[{"sku":"mug-blue","title":"Blue mug","quantity":2,"unit_price":{"amount":1250,"currency":"EUR"}}],` +
		`"total":{"amount":2500,"currency":"EUR"},"pay_by":"2026-05-04T10:15:00Z","placed_at":"2026-05-04T10:00:00Z"}`
	s.transport = instant{[]byte(order)}
	grpcOnly := s.cfg
	grpcOnly.GRPCAddress = "127.0.0.1:0"
	var server host.Server
	server, err = newGRPC(grpcOnly, s.public, s.log)
	require.NoError(b, err)
	l, err := httpx.Listen(grpcOnly.GRPCAddress)
	require.NoError(b, err)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	var clients []orderpb.OrderServiceClient
	for range 4 {
		conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(b, err)
		defer func() { _ = conn.Close() }()
		clients = append(clients, orderpb.NewOrderServiceClient(conn))
	}
	email := "ada@example.com"
	in := &orderpb.PlaceOrderRequest{Contact: &orderpb.PlaceOrderRequest_Contact{Email: &email}, Lines: []*orderpb.PlaceOrderRequest_Line{{Sku: "mug-blue", Quantity: 2}}}
	const callers = 64
	ctx := metadata.AppendToOutgoingContext(b.Context(), "idempotency-key", "k-1")
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for range (b.N + callers - 1) / callers {
				if _, err := clients[i%len(clients)].PlaceOrder(ctx, in); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	require.NoError(b, server.Close())
	require.NoError(b, <-ended)
}
