package bridge

import (
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sidecart/sidecart/services/order/orderpb"
)

// BenchmarkCall is a call over a loopback connection, caller and server in one process: 64 callers on 4 connections, with a door
// that answers an order at once. What the gateway's pipeline adds is BenchmarkRequest of the package gateway.
func BenchmarkCall(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	answer := []byte(orderJSON)
	s := NewServer(Config{}, bindings(b), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = []string{"application/json"}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(answer)
	}), nil)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	var clients []orderpb.OrderServiceClient
	for range 4 {
		conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(b, err)
		defer func() { _ = conn.Close() }()
		clients = append(clients, orderpb.NewOrderServiceClient(conn))
	}
	in := &orderpb.PlaceOrderRequest{Contact: &orderpb.PlaceOrderRequest_Contact{}, Lines: []*orderpb.PlaceOrderRequest_Line{{Sku: "mug-blue", Quantity: 2}}}
	const callers = 64
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for range (b.N + callers - 1) / callers {
				if _, err := clients[i%len(clients)].PlaceOrder(b.Context(), in); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	require.NoError(b, s.Close())
	require.NoError(b, <-ended)
}

// BenchmarkCodec is a request written and an answer read.
func BenchmarkCodec(b *testing.B) {
	bound := bindings(b)
	var place *Binding
	for _, x := range bound {
		if x.Method == "PlaceOrder" {
			place = x
		}
	}
	in := (&orderpb.PlaceOrderRequest{Contact: &orderpb.PlaceOrderRequest_Contact{}, Lines: []*orderpb.PlaceOrderRequest_Line{{Sku: "mug-blue", Quantity: 2}}}).ProtoReflect()
	answer := []byte(orderJSON)
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := place.in.appendMessage(nil, in, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := place.out.decode(answer, place.output.New(), false); err != nil {
				b.Fatal(err)
			}
		}
	})
}
