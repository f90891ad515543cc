package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	stateStore = "state"
	maxTries   = 10 // of one request against other writers
)

// daprWrite is a shop whose SKU is one document in a Dapr state store: read with its ETag, changed, written if the ETag still
// stands. Requests for one SKU take turns in here: without that, many clients of one SKU would spend their time on conflicts, and
// the comparison would flatter us.
type daprWrite struct {
	client dapr.Client
	turns  sync.Map // SKU → *sync.Mutex
}

func newDaprWrite() (*daprWrite, error) {
	c, err := newSidecar()
	if err != nil {
		return nil, err
	}
	return &daprWrite{client: c}, nil
}

// newSidecar speaks to the sidecar of DAPR_GRPC_PORT with DAPR_API_TOKEN.
func newSidecar() (dapr.Client, error) {
	c, err := dapr.NewClient()
	if err != nil {
		return nil, fmt.Errorf("sidecar: %w", err)
	}
	return c, nil
}

func (d *daprWrite) put(ctx context.Context, sku string, units int64) error {
	return d.write(ctx, books{SKU: sku, Received: units, Available: units}, "")
}

func (d *daprWrite) reserve(ctx context.Context, r reservation) error {
	turn, _ := d.turns.LoadOrStore(r.SKU, &sync.Mutex{})
	turn.(*sync.Mutex).Lock()
	defer turn.(*sync.Mutex).Unlock()
	for range maxTries {
		b, etag, err := d.read(ctx, r.SKU)
		if err != nil {
			return err
		}
		if b.Available < r.Quantity {
			return errSoldOut
		}
		b.Available -= r.Quantity
		b.Reserved += r.Quantity
		if err = d.write(ctx, b, etag); status.Code(err) != codes.Aborted {
			return err
		}
	}
	return errors.New("other writers were always first")
}

func (d *daprWrite) stock(ctx context.Context, sku string) (books, error) {
	b, _, err := d.read(ctx, sku)
	return b, err
}

func (d *daprWrite) read(ctx context.Context, sku string) (b books, etag string, err error) {
	item, err := d.client.GetStateWithConsistency(ctx, stateStore, "peer/"+sku, nil, dapr.StateConsistencyStrong)
	if err != nil {
		return b, "", err
	}
	if len(item.Value) == 0 {
		return b, "", errUnknownSKU
	}
	return b, item.Etag, json.Unmarshal(item.Value, &b)
}

// write is guarded by etag unless that is empty.
func (d *daprWrite) write(ctx context.Context, b books, etag string) error {
	value, err := json.Marshal(b)
	if err != nil {
		return err
	}
	concurrency := dapr.StateConcurrencyFirstWrite
	if etag == "" {
		concurrency = dapr.StateConcurrencyLastWrite
	}
	return d.client.SaveStateWithETag(ctx, stateStore, "peer/"+b.SKU, value, etag, nil,
		dapr.WithConcurrency(concurrency), dapr.WithConsistency(dapr.StateConsistencyStrong))
}

func (d *daprWrite) close() { d.client.Close() }
