package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/sidecart/sidecart/e2e/cli"
	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/crowd"
)

// bar shows progress: a live line on a terminal, a line every few seconds elsewhere. It is safe for concurrent use.
type bar struct {
	out   io.Writer
	what  string
	total int
	live  bool
	every time.Duration

	mu    sync.Mutex
	n     int
	began time.Time
	shown time.Time
}

func newBar(out *os.File, what string, total int) *bar {
	live, _ := cli.Terminal(out)
	every := 2 * time.Second
	if live {
		every = 100 * time.Millisecond
	}
	return &bar{out: out, what: what, total: total, live: live, every: every, began: time.Now()}
}

func (b *bar) add() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	if time.Since(b.shown) >= b.every {
		b.show()
	}
}

func (b *bar) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.show()
	if b.live {
		_, _ = fmt.Fprintln(b.out)
	}
}

func (b *bar) show() {
	const width = 30
	b.shown = time.Now()
	full := width * b.n / b.total
	line := fmt.Sprintf("%s [%s%s] %d/%d  %s", b.what, strings.Repeat("=", full), strings.Repeat(" ", width-full),
		b.n, b.total, time.Since(b.began).Round(100*time.Millisecond))
	if b.live {
		_, _ = fmt.Fprintf(b.out, "\r%s", line)
	} else {
		_, _ = fmt.Fprintln(b.out, line)
	}
}

// report prints the ends of all visits and the stock, and fails if a visit had no definite end or the stock does not
// add up.
func report(ctx context.Context, shop *client.Client, skus []string, sales []*crowd.Visit, out io.Writer) error {
	ends := map[string]int{}
	unclear := 0
	for _, s := range sales {
		end := s.End
		if s.Unclear() {
			end = "no answer"
			unclear++
		}
		ends[end]++
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\nEND OF VISIT\tORDERS")
	for _, end := range slices.Sorted(maps.Keys(ends)) {
		_, _ = fmt.Fprintf(w, "%s\t%d\n", end, ends[end])
	}
	_, _ = fmt.Fprintf(w, "\na visit took p50 %s, p99 %s\n", percentile(sales, 50), percentile(sales, 99))
	_, _ = fmt.Fprintln(w, "\nSKU\tRECEIVED\tAVAILABLE\tRESERVED\tSOLD")
	for _, sku := range skus {
		st, err := settledStock(ctx, shop, sku, sales)
		if err != nil {
			_ = w.Flush()
			return err
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", sku, st.Received, st.Available, st.Reserved, st.Sold)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if unclear > 0 {
		return fmt.Errorf("%d visits got no definite answer", unclear)
	}
	_, _ = fmt.Fprintf(out, "\nnothing oversold, lost or doubled: received = available + reserved + sold for all %d products\n", len(skus))
	return nil
}

// settledStock waits until inventory has followed every paid order and checks that the stock adds up.
func settledStock(ctx context.Context, shop *client.Client, sku string, sales []*crowd.Visit) (client.Stock, error) {
	var sold int64
	for _, s := range sales {
		for _, l := range s.Order.Lines {
			if l.SKU == sku && s.End == client.Paid {
				sold += l.Quantity
			}
		}
	}
	var st client.Stock
	err := crowd.Poll(ctx, func() (done bool, err error) {
		st, err = shop.Stock(ctx, sku)
		return err == nil && st.Sold == sold, err
	})
	switch {
	case err != nil:
		return st, fmt.Errorf("%s: paid orders took %d, stock says %+v: %w", sku, sold, st, err)
	case st.Received != st.Available+st.Reserved+st.Sold:
		return st, fmt.Errorf("%s does not add up: %+v", sku, st)
	}
	return st, nil
}
