// Command demo fills a running shop with products, places and pays orders as a crowd of customers would, and prints
// what happened. It speaks only the public contract. Exit code 0 says that every order had a definite end and that the
// stock adds up, 1 that it did not, 2 that the flags were wrong.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/sidecart/sidecart/e2e/cli"
	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/token"
)

// config is what the flags say.
type config struct {
	url       string
	data      string
	orders    int
	products  int
	customers int
	within    time.Duration
}

// maxOrders bounds a run of the demo.
const maxOrders = 100_000

func parse(args []string) (config, error) {
	var c config
	f := cli.Flags("demo", "Fills a running shop with products, places and pays orders, and prints what happened.")
	url := cmp.Or(os.Getenv("SIDECART_URL"), "http://127.0.0.1:8080")
	f.StringVar(&c.url, "url", url, "the gateway of a running shop; the default is $SIDECART_URL if that is set")
	f.StringVar(&c.data, "data", cmp.Or(os.Getenv("SIDECART_DATA"), ".data"), "that shop's data folder, where the keys are that its tokens are signed with; the default is $SIDECART_DATA if that is set")
	f.IntVar(&c.orders, "orders", 300, "how many orders to place")
	f.IntVar(&c.products, "products", 12, "how many products to put on sale")
	f.IntVar(&c.customers, "customers", 16, "how many customers shop at the same time")
	f.DurationVar(&c.within, "within", 2*time.Minute, "how long the whole demo may take")
	if err := cli.Parse(f, args); err != nil {
		return c, err
	}
	switch {
	case c.orders < 1 || c.orders > maxOrders:
		return c, fmt.Errorf("--orders must be 1 to %d", maxOrders)
	case c.products < 1 || c.products > 1000:
		return c, errors.New("--products must be 1 to 1000")
	case c.customers < 1 || c.customers > 512:
		return c, errors.New("--customers must be 1 to 512")
	}
	return c, nil
}

func main() { cli.Main("demo", parse, demo) }

func demo(ctx context.Context, c config) error {
	ctx, cancel := context.WithTimeout(ctx, c.within)
	defer cancel()
	keys, err := token.Of(c.data)
	if err != nil {
		return fmt.Errorf("the demo needs the key set of the shop at %s, to sign its customers in: name the shop's data folder with --data: %w", c.url, err)
	}
	shop := client.New(c.url, 30*time.Second).With(keys)
	defer shop.Close()
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	skus, err := fill(ctx, shop, c, rng)
	if err != nil {
		return fmt.Errorf("the shop at %s does not take products: %w", c.url, err)
	}
	sales := plan(c, skus, rng)
	bar := newBar(os.Stdout, "orders", len(sales))
	serve(ctx, shop, c.customers, sales, bar)
	bar.done()
	return report(ctx, shop, skus, sales, os.Stdout)
}
