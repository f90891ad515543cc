package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dapr/durabletask-go/workflow"
	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	sellWorkflow = "sell"
	paymentEvent = "payment"
	unitPrice    = 2990 // of every SKU, in cents
)

// workerWithin bounds the wait for a sidecar to take this process's workflow worker, retryPause the time between two tries.
const (
	workerWithin = 60 * time.Second
	retryPause   = 100 * time.Millisecond
)

// sale is an order of one line: the input of its workflow and, with a status, its document in the state store.
type sale struct {
	ID       string `json:"id"`
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	Phone    string `json:"phone"`
	Method   string `json:"method,omitempty"`
	Status   string `json:"status,omitempty"`
}

// Statuses of an order's document.
const (
	statusNone      = "" // there is no document
	statusReserved  = "reserved"
	statusPlaced    = "awaiting_payment"
	statusConfirmed = "confirmed"
)

// saga is a shop whose orders are Dapr workflows. Each step is an activity; Dapr runs one again when it does not know whether it was
// done, so every activity may be repeated: the two that move stock write the order's document in the same transaction and look there first,
// the provider and the SMS gateway are given idempotency keys.
type saga struct {
	daprWrite
	workflows *workflow.Client
	stop      context.CancelFunc
}

// newSaga speaks to the sidecar of DAPR_GRPC_PORT and waits until it takes this process as a worker.
func newSaga(ctx context.Context) (*saga, error) {
	d, err := newDaprWrite()
	if err != nil {
		return nil, err
	}
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &saga{daprWrite: daprWrite{client: d.client}, workflows: workflow.NewClient(d.client.GrpcClientConn()), stop: stop}
	registry := workflow.NewRegistry()
	err = errors.Join(
		registry.AddWorkflowN(sellWorkflow, s.sell),
		activity(registry, "reserve", s.reserveSale), activity(registry, "record", s.record), activity(registry, "charge", s.charge),
		activity(registry, "confirm", s.confirm), activity(registry, "notify", s.notify),
	)
	if err == nil {
		err = s.work(ctx, working, registry)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// work starts the worker, which lives as long as working.
func (s *saga) work(ctx, working context.Context, registry *workflow.Registry) error {
	ctx, cancel := context.WithTimeout(ctx, workerWithin)
	defer cancel()
	for {
		err := s.workflows.StartWorker(working, registry)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("workflow worker: %w", err)
		case <-time.After(retryPause):
		}
	}
}

// activity adds a step that is given a sale and answers whether the next one may come.
func activity(registry *workflow.Registry, name string, do func(context.Context, sale) (bool, error)) error {
	return registry.AddActivityN(name, func(c workflow.ActivityContext) (any, error) {
		var o sale
		if err := c.GetInput(&o); err != nil {
			return nil, err
		}
		return do(c.Context(), o)
	})
}

// sell is an order from its placing to the message that it is paid.
func (s *saga) sell(c *workflow.WorkflowContext) (any, error) {
	var o sale
	if err := c.GetInput(&o); err != nil {
		return nil, err
	}
	again := workflow.WithActivityRetryPolicy(&workflow.RetryPolicy{MaxAttempts: maxTries, InitialRetryInterval: time.Second, BackoffCoefficient: 2, MaxRetryInterval: 32 * time.Second})
	run := func(steps ...string) (ok bool, err error) {
		for _, step := range steps {
			if err := c.CallActivity(step, workflow.WithActivityInput(o), again).Await(&ok); err != nil || !ok {
				return ok, err
			}
		}
		return true, nil
	}
	if ok, err := run("reserve", "record"); err != nil || !ok {
		return ok, err
	}
	if err := c.WaitForExternalEvent(paymentEvent, -1).Await(&o.Method); err != nil {
		return nil, err
	}
	return run("charge", "confirm", "notify")
}

// place starts the workflow of an order. A repeat finds it under way.
func (s *saga) place(ctx context.Context, o sale) error {
	_, err := s.workflows.ScheduleWorkflow(ctx, sellWorkflow, workflow.WithInstanceID(o.ID), workflow.WithInput(o))
	if status.Code(err) == codes.AlreadyExists {
		return nil
	}
	return err
}

// pay tells the workflow of an order how it is to be paid.
func (s *saga) pay(ctx context.Context, id, method string) error {
	return s.workflows.RaiseEvent(ctx, id, paymentEvent, workflow.WithEventPayload(method))
}

// reserveSale takes the stock. false: not enough is left.
func (s *saga) reserveSale(ctx context.Context, o sale) (bool, error) {
	err := s.move(ctx, o, statusNone, statusReserved, func(b *books) error {
		if b.Available < o.Quantity {
			return errSoldOut
		}
		b.Available -= o.Quantity
		b.Reserved += o.Quantity
		return nil
	})
	if errors.Is(err, errSoldOut) {
		return false, nil
	}
	return err == nil, err
}

func (s *saga) record(ctx context.Context, o sale) (bool, error) {
	o.Status = statusPlaced
	value, err := json.Marshal(o)
	if err == nil {
		err = s.client.SaveState(ctx, stateStore, orderKey(o.ID), value, nil)
	}
	return err == nil, err
}

func (s *saga) charge(ctx context.Context, o sale) (bool, error) {
	return s.post(ctx, "payment-provider", "/charges", o.ID, map[string]any{
		"amount": unitPrice * o.Quantity, "currency": "EUR", "method": o.Method, "order_id": o.ID,
	})
}

// confirm turns what was reserved into a sale.
func (s *saga) confirm(ctx context.Context, o sale) (bool, error) {
	err := s.move(ctx, o, statusPlaced, statusConfirmed, func(b *books) error {
		b.Reserved -= o.Quantity
		b.Sold += o.Quantity
		return nil
	})
	return err == nil, err
}

func (s *saga) notify(ctx context.Context, o sale) (bool, error) {
	return s.post(ctx, "sms", "", o.ID+"/order_paid", map[string]any{
		"to": o.Phone, "text": fmt.Sprintf("Your order %s is paid: %d.%02d EUR. Thank you.", o.ID, unitPrice*o.Quantity/100, unitPrice*o.Quantity%100),
	})
}

// post asks the outside world through an output binding. An answer that is no success is an error: the step is repeated.
func (s *saga) post(ctx context.Context, binding, path, key string, body map[string]any) (bool, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return false, err
	}
	metadata := map[string]string{"Idempotency-Key": key, "Content-Type": "application/json"}
	if path != "" {
		metadata["path"] = path
	}
	res, err := s.client.InvokeBinding(ctx, &dapr.InvokeBindingRequest{Name: binding, Operation: "post", Data: data, Metadata: metadata})
	if err != nil {
		return false, err
	}
	if code := res.Metadata["statusCode"]; code < "200" || code > "299" {
		return false, fmt.Errorf("%s answered %q", binding, code)
	}
	return true, nil
}

// move changes the books of a SKU together with the order's document, if that still has the status from. Orders of one SKU take turns, as
// requests of daprWrite do.
func (s *saga) move(ctx context.Context, o sale, from, to string, change func(*books) error) error {
	turn, _ := s.turns.LoadOrStore(o.SKU, &sync.Mutex{})
	turn.(*sync.Mutex).Lock()
	defer turn.(*sync.Mutex).Unlock()
	item, err := s.client.GetStateWithConsistency(ctx, stateStore, orderKey(o.ID), nil, dapr.StateConsistencyStrong)
	if err != nil {
		return err
	}
	var before sale
	if len(item.Value) > 0 {
		if err := json.Unmarshal(item.Value, &before); err != nil {
			return err
		}
	}
	if before.Status != from {
		return nil // done before: this is a repeat
	}
	b, etag, err := s.read(ctx, o.SKU)
	if err != nil {
		return err
	}
	if err := change(&b); err != nil {
		return err
	}
	o.Status = to
	stock, err := json.Marshal(b)
	if err != nil {
		return err
	}
	order, err := json.Marshal(o)
	if err != nil {
		return err
	}
	strict := &dapr.StateOptions{Concurrency: dapr.StateConcurrencyFirstWrite, Consistency: dapr.StateConsistencyStrong}
	return s.client.ExecuteStateTransaction(ctx, stateStore, nil, []*dapr.StateOperation{
		{Type: dapr.StateOperationTypeUpsert, Item: &dapr.SetStateItem{Key: "peer/" + o.SKU, Value: stock, Etag: &dapr.ETag{Value: etag}, Options: strict}},
		{Type: dapr.StateOperationTypeUpsert, Item: &dapr.SetStateItem{Key: orderKey(o.ID), Value: order}},
	})
}

func orderKey(id string) string { return "peer/order/" + id }

func (s *saga) close() {
	s.stop()
	s.daprWrite.close()
}
