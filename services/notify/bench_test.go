package notify

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/kit/task/tasktest"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// BenchmarkPlaced is what a segment of 100 placed orders costs notify, each with a mail: to read and understand it, to record the
// messages, to send them to a server that takes everything at once, and to record that. The store is a map. What does not depend on the
// machine's other load is the allocations.
func BenchmarkPlaced(b *testing.B) {
	const orders = 100
	w := tasktest.New(b)
	segments := placedSegments(b, w, orders)
	var sent atomic.Int64
	all := make(chan struct{}, 1)
	w.Outside(func(context.Context, string, string, []byte, map[string]string) (sidecar.BindingResult, error) {
		if sent.Add(1)%orders == 0 {
			all <- struct{}{}
		}
		return sidecar.BindingResult{}, nil
	})
	service, err := New(Config{Journal: journal.Config{SnapshotEverySegments: 1 << 40}, MailConcurrency: 16}, w.Deps(journaltest.Faults{}))
	require.NoError(b, err)
	defer w.Start(service)()
	<-service.log.Loaded()
	b.ReportAllocs()
	b.ResetTimer()
	for _, segment := range segments {
		require.NoError(b, w.Publish(b.Context(), source, sidecar.CloudEvent{Data: segment}))
		<-all
	}
}

// placedSegments are b.N documents of order's journal.
func placedSegments(b *testing.B, w *tasktest.World, orders int) [][]byte {
	placed, stop := w.Source(source, orderapi.Types())
	b.Cleanup(stop)
	for i := range b.N {
		events := make([]journal.Event, orders)
		for n := range events {
			id := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, i*orders+n)).String()
			events[n] = orderapi.Placed{
				OrderID: id, Fingerprint: id, Customer: "ada", Contact: orderapi.Contact{Email: "ada@example.com"}, Total: price,
				Lines: []orderapi.Line{{SKU: "mug-blue", Title: "Blue mug", Quantity: 1, UnitPrice: price}},
				PayBy: start.Add(15 * time.Minute), PlacedAt: start,
			}
		}
		placed.Append("any", events...)
	}
	segments := make([][]byte, b.N)
	for i := range segments {
		segments[i] = w.Store.Value(fmt.Sprintf("%s/journal/0/%d", source, i+1))
	}
	return segments
}
