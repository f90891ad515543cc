package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/crowd"
)

var titles = []string{
	"Moka pot", "Linen apron", "Walnut board", "Paring knife", "Enamel mug", "Cast-iron pan",
	"Pepper mill", "Glass teapot", "Bread tin", "Olive dish", "Tea towel", "Storage jar",
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
func plan(c config, skus []string, rng *rand.Rand) []*crowd.Visit {
	sales := make([]*crowd.Visit, c.orders)
	for i := range sales {
		name := fmt.Sprintf("customer-%03d", i%100)
		s := &crowd.Visit{Key: uuid.NewString(), Method: crowd.Card, Order: client.NewOrder{
			Customer: name,
			Contact:  client.Contact{Email: name + "@example.com"},
		}}
		for _, k := range rng.Perm(len(skus))[:1+rng.IntN(min(2, len(skus)))] {
			s.Order.Lines = append(s.Order.Lines, client.Line{SKU: skus[k], Quantity: 1})
		}
		switch draw := rng.IntN(100); {
		case draw < 5:
			s.Method = crowd.Declined
		case draw < 10:
			s.Method = crowd.Never
		}
		sales[i] = s
	}
	return sales
}

// serve lets so many customers shop at a time.
func serve(ctx context.Context, shop *client.Client, customers int, sales []*crowd.Visit, b *bar) {
	queue := make(chan *crowd.Visit)
	var wg sync.WaitGroup
	for range customers {
		wg.Go(func() {
			for s := range queue {
				s.Make(ctx, shop)
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

// percentile of the time that visits took.
func percentile(sales []*crowd.Visit, p int) time.Duration {
	took := make([]time.Duration, len(sales))
	for i, s := range sales {
		took[i] = s.Took
	}
	slices.Sort(took)
	return took[(len(took)-1)*p/100].Round(time.Millisecond)
}
