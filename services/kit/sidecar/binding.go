package sidecar

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"

	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/status"
)

// statusCode is the metadata in which Dapr's HTTP binding gives the status of the answer.
const statusCode = "statusCode"

// Invoke runs operation on the output binding name. An HTTP binding must have errorIfNot2XX off, as it has in our
// component sets: a status that is not 2xx then comes back as a *BindingError. With it on, such an answer is an
// error like that of a provider that cannot be reached, and would be tried again as one.
func (c *Client) Invoke(ctx context.Context, name, operation string, data []byte, metadata map[string]string) (BindingResult, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.BindingWithin)
	defer cancel()
	out, err := c.api.InvokeBinding(ctx, &dapr.InvokeBindingRequest{
		Name: name, Operation: operation, Data: data, Metadata: maps.Clone(metadata),
	})
	if err != nil {
		if circuitOpen(name, err) {
			return BindingResult{}, fmt.Errorf("binding %s: %w", name, ErrCircuitOpen)
		}
		return BindingResult{}, fmt.Errorf("binding %s: %w", name, err)
	}
	if out == nil {
		return BindingResult{}, nil
	}
	return readAnswer(name, out.Data, out.Metadata)
}

// circuitOpen recognises the error of a sidecar whose circuit breaker for the binding (dapr-config/resiliency.yaml) is open, or is
// half-open and has its trial under way. It has no code of its own, so the whole text must be the sidecar's: a part of it could be
// the words of a mail server.
func circuitOpen(name string, err error) bool {
	said, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err)
	if !ok {
		return false
	}
	prefix := "error invoking output binding " + name + ": "
	switch said.GRPCStatus().Message() {
	case prefix + "circuit breaker is open", prefix + "too many requests":
		return true
	}
	return false
}

// readAnswer tells success from failure by the status, where the binding gives one.
func readAnswer(name string, data []byte, metadata map[string]string) (BindingResult, error) {
	if text, has := metadata[statusCode]; has {
		code, err := strconv.Atoi(text)
		if err != nil {
			return BindingResult{}, fmt.Errorf("binding %s: status %q is not a number", name, text)
		}
		if code < 200 || code > 299 {
			return BindingResult{}, &BindingError{Binding: name, Status: code, Data: data}
		}
	}
	return BindingResult{Data: data, Metadata: metadata}, nil
}
