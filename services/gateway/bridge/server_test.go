package bridge

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/inventory/inventorypb"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

func TestTheTimeThatACallBringsIsItsCallers(t *testing.T) {
	bound, err := Bind(files["inventory"])
	require.NoError(t, err)
	get := bound[slices.IndexFunc(bound, func(b *Binding) bool { return b.Method == "GetItem" })]
	for _, brought := range []bool{true, false} {
		gaveUp := !brought
		c := call{binding: get, timeout: time.Millisecond, log: slog.New(slog.DiscardHandler), door: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			gaveUp = httpx.GaveUp(r.Context())
			w.WriteHeader(http.StatusServiceUnavailable)
		})}
		ctx := t.Context()
		if brought {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
		}
		_, err := c.handle(nil, ctx, func(in any) error {
			in.(*inventorypb.GetItemRequest).Sku = "mug"
			return nil
		}, nil)
		assert.Error(t, err, "there is no stream for the headers of an answer")
		assert.Equal(t, brought, gaveUp)
	}
}
