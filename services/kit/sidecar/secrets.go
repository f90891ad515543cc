package sidecar

import (
	"context"
	"errors"
	"fmt"
)

// ErrNoSecret says that the store has no secret of that name, or an empty one.
var ErrNoSecret = errors.New("sidecar: there is no such secret")

// Secrets reads single secrets.
type Secrets interface {
	// Secret reads a secret's value of its own name from the secret store of a component. A failure says nothing about the
	// secret but ErrNoSecret, and never holds its value.
	Secret(ctx context.Context, store, name string) (string, error)
}

var _ Secrets = (*Client)(nil)

// Secret reads one secret. Its deadline is that of a state call.
func (c *Client) Secret(ctx context.Context, store, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StateWithin)
	defer cancel()
	values, err := c.api.GetSecret(ctx, store, name, nil)
	if err != nil {
		return "", fmt.Errorf("secret %s of %s: %w", name, store, err)
	}
	if values[name] == "" {
		return "", fmt.Errorf("secret %s of %s: %w", name, store, ErrNoSecret)
	}
	return values[name], nil
}
