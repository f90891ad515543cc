package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/e2e/client"
)

var titles = []string{
	"Moka pot", "Linen apron", "Walnut board", "Paring knife", "Enamel mug", "Cast-iron pan",
	"Pepper mill", "Glass teapot", "Bread tin", "Olive dish", "Tea towel", "Storage jar",
}

// sale is one customer's visit and what came of it.
type sale struct {
	order  client.NewOrder
	method string // how it is paid; empty = the customer changes their mind and cancels
	key    string

	id     string
	result string // a status of the order, or the code of the refusal
	took   time.Duration
}

// fill puts products on sale; there is a little less of each than the customers will want.
func fill(ctx context.Context, shop *client.Client, c config, rng *rand.Rand) ([]string, error) {
	each := max(1, int64(c.orders)*3/2*9/10/int64(c.products))
	run := uuid.NewString()[:6]
	skus := make([]string, c.products)
	for i := range skus {
		skus[i] = fmt.Sprintf("demo-%s-%02d", run, i+1)
		_, _, err := shop.Put(ctx, skus[i], client.Product{
			Title:    titles[i%len(titles)],
			Price:    client.Money{Amount: 490 + 100*rng.Int64N(60), Currency: "EUR"},
			Quantity: each,
		})
		if err != nil {
			return nil, err
		}
	}
	return skus, nil
}

// plan decides beforehand what every customer will do.
func plan(c config, skus []string, rng *rand.Rand) []*sale {
	sales := make([]*sale, c.orders)
	for i := range sales {
		name := fmt.Sprintf("customer-%03d", i%100)
		s := &sale{key: uuid.NewString(), method: "card", order: client.NewOrder{
			Customer: name,
			Contact:  client.Contact{Email: name + "@example.com"},
		}}
		for _, k := range rng.Perm(len(skus))[:1+rng.IntN(min(2, len(skus)))] {
			s.order.Lines = append(s.order.Lines, client.Line{SKU: skus[k], Quantity: 1})
		}
		switch draw := rng.IntN(100); {
		case draw < 5:
			s.method = "card_declined"
		case draw < 10:
			s.method = ""
		}
		sales[i] = s
	}
	return sales
}

// serve lets so many customers shop at a time.
func serve(ctx context.Context, shop *client.Client, customers int, sales []*sale, b *bar) {
	queue := make(chan *sale)
	var wg sync.WaitGroup
	for range customers {
		wg.Go(func() {
			for s := range queue {
				began := time.Now()
				s.result = s.visit(ctx, shop)
				s.took = time.Since(began)
				b.add()
			}
		})
	}
	for _, s := range sales {
		queue <- s
	}
	close(queue)
	wg.Wait()
}

// visit places, then pays or cancels, and gives the end of it.
func (s *sale) visit(ctx context.Context, shop *client.Client) string {
	err := repeat(ctx, func() error {
		o, err := shop.Place(ctx, s.key, s.order)
		s.id = o.ID
		return err
	})
	if err != nil {
		return reason(err)
	}
	if s.method == "" {
		if err := repeat(ctx, func() error { return shop.Cancel(ctx, s.id) }); err != nil {
			return reason(err)
		}
		return s.settled(ctx, shop)
	}
	if err := repeat(ctx, func() error { return shop.Pay(ctx, s.id, s.method) }); err != nil {
		return reason(err)
	}
	if s.method == "card_declined" {
		return client.AwaitingPayment
	}
	return s.settled(ctx, shop)
}

// settled waits until the order no longer awaits its payment.
func (s *sale) settled(ctx context.Context, shop *client.Client) string {
	status := client.AwaitingPayment
	err := poll(ctx, func() (bool, error) {
		o, err := shop.Order(ctx, s.id)
		if err != nil {
			return false, err
		}
		status = o.Status
		return status != client.AwaitingPayment, nil
	})
	if err != nil {
		return reason(err)
	}
	return status
}

// repeat calls again while the outcome is unknown, as the contract allows.
func repeat(ctx context.Context, call func() error) error {
	return poll(ctx, func() (bool, error) {
		err := call()
		return err == nil, err
	})
}

// poll calls check until it is done or fails for a reason that repeating does not mend.
func poll(ctx context.Context, check func() (bool, error)) error {
	const pause = 100 * time.Millisecond
	for {
		done, err := check()
		if done {
			return nil
		}
		if p, ok := errors.AsType[*client.Problem](err); ok && p.Definite() && p.Status != 429 {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

// reason is a refusal's code.
func reason(err error) string {
	if p, ok := errors.AsType[*client.Problem](err); ok {
		return p.Code
	}
	return "no answer: " + err.Error()
}

// percentile of the time that visits took.
func percentile(sales []*sale, p int) time.Duration {
	took := make([]time.Duration, len(sales))
	for i, s := range sales {
		took[i] = s.took
	}
	slices.Sort(took)
	return took[(len(took)-1)*p/100].Round(time.Millisecond)
}
