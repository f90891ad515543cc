package sidecar

import (
	"context"
	"errors"
	"fmt"

	pb "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// ErrNoStore says that the sidecar has no configuration store of the name.
var ErrNoStore = errors.New("sidecar: there is no configuration store of this name")

// Configuration reads configuration stores. A component set need not have one.
type Configuration interface {
	// ConfigurationItem reads one item of a store; found is false if it is not there. ErrNoStore is in the chain of the error if
	// there is no such store; any other error says nothing about the item.
	ConfigurationItem(ctx context.Context, store, key string) (value string, found bool, err error)
	// WatchConfiguration calls changed whenever the store tells of a change of key, until ctx ends or the sidecar ends the call, and
	// then says why. It misses what changes meanwhile, and many stores tell nothing: so read the item every now and then.
	WatchConfiguration(ctx context.Context, store, key string, changed func()) error
}

var _ Configuration = (*Client)(nil)

// ConfigurationItem implements Configuration.
func (c *Client) ConfigurationItem(ctx context.Context, store, key string) (value string, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StateWithin)
	defer cancel()
	answer, err := c.api.GrpcClient().GetConfiguration(ctx, &pb.GetConfigurationRequest{StoreName: store, Keys: []string{key}})
	if err != nil {
		return "", false, configurationError(store, err)
	}
	item, found := answer.GetItems()[key]
	return item.GetValue(), found, nil
}

// WatchConfiguration implements Configuration. Dapr's own SDK is not used for this, because its subscription waits for a first answer
// without regard to the context and cannot tell that it has ended.
func (c *Client) WatchConfiguration(ctx context.Context, store, key string, changed func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream, and with it the subscription
	if c.cfg.Token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "dapr-api-token", c.cfg.Token)
	}
	stream, err := c.api.GrpcClient().SubscribeConfiguration(ctx, &pb.SubscribeConfigurationRequest{StoreName: store, Keys: []string{key}})
	if err != nil {
		return configurationError(store, err)
	}
	for {
		answer, err := stream.Recv()
		if err != nil {
			return configurationError(store, err)
		}
		if _, ours := answer.GetItems()[key]; ours { // the first answer only gives the subscription's id
			changed()
		}
	}
}

// configurationError tells that there is no store by the codes that daprd gives: FailedPrecondition where it has none at all,
// InvalidArgument where it has none of the name.
func configurationError(store string, err error) error {
	switch status.Code(err) {
	case codes.FailedPrecondition, codes.InvalidArgument:
		return fmt.Errorf("%w: %s: %w", ErrNoStore, store, err)
	}
	return fmt.Errorf("configuration store %s: %w", store, err)
}
