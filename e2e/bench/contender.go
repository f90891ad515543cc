package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/e2e/token"
	"github.com/sidecart/sidecart/runtime/run"
)

// adminWithin bounds putting stock and reading the books: a Dapr peer of many requests answers late.
const adminWithin = 30 * time.Second

// Ground is what contenders stand on in one run of the benchmarks.
type Ground struct {
	Programs  string            // folder of this project's programs, peers among them
	Options   []harness.Option  // that start every stack from copies of its programs
	Shop      []harness.Option  // besides, for sidecart alone
	Placement harness.Placement // of sidecart's services
	Fsync     string            // FsyncAlways or FsyncEverysec, for every Redis
	Pool      int               // connections of lua, lua-idem and postgres to their server; 0: as they choose
	Profile   string            // folder for profiles over every window (see profiler); empty: none are taken
}

// Contender is sidecart on a component set, or a peer.
type Contender struct {
	Name  string // such as "sidecart/redis"
	About string
	Keeps bool // whether what it accepts is kept; otherwise there are no books
	start func(ctx context.Context, g Ground, dir string) (*Running, error)
}

// Running is a contender at work.
type Running struct {
	Reservations []string          // base URLs of reservations, one for each process that takes them
	Gateway      string            // base URL of orders; empty if there are none
	Sandbox      string            // base URL of the outside world; empty if there is none
	Header       map[string]string // that reservations need
	Tokens       []string          // of customers, that orders need; none where nobody is asked who they are
	Durability   string            // what was promised of an accepted request, in the store's own words
	Versions     []string          // of its servers

	pids    func() map[string]int                      // the processes that it is, by name
	writes  func(ctx context.Context) (float64, error) // segments written so far; nil: it has none
	restart func(ctx context.Context) error            // kills what could remember, and waits until it is back; nil: nothing could
	stop    func(ctx context.Context) error            // ends every process
	// heap collects the services' garbage and gives what is left, in bytes; nil: nobody can.
	heap func(ctx context.Context) (float64, error)
	// profile begins to take profiles over a window; what it gives waits until they are there. nil: none are wanted.
	profile func(ctx context.Context, load string, window time.Duration) func() error
}

// Contenders are all there are, with sidecart and the Dapr writes on each of the component sets.
func Contenders(sets []string) []Contender {
	var all []Contender
	for _, set := range sets {
		all = append(all, Contender{Name: "sidecart/" + set, About: "sidecart, component set " + set, Keeps: true, start: sidecart(set, nil)})
	}
	all = append(all,
		peer("nothing", "Echo, keeps nothing", ""),
		peer("nothing-kit", "the same behind sidecart's HTTP kit", ""),
		peer("lua", "Echo, go-redis, atomic Lua decrement", redisVariable),
		peer("lua-default", "lua with as many connections as go-redis opens by itself", redisVariable),
		peer("lua-idem", "lua with idempotency key and pending record", redisVariable),
		peer("postgres", "Echo, pgx, UPDATE … WHERE available >= n with a row", postgresVariable),
	)
	for _, set := range sets {
		all = append(all,
			Contender{Name: "batch/" + set, About: "Echo, one Dapr write for all who wait, knows no stock, set " + set, Keeps: true, start: daprPeer("batch", set)},
			Contender{Name: "dapr/" + set, About: "Echo, one ETag-guarded Dapr write a request, set " + set, Keeps: true, start: daprPeer("dapr", set)},
		)
	}
	for _, set := range sets {
		all = append(all, Contender{Name: "workflow/" + set, About: "Echo, each order a Dapr workflow, set " + set, Keeps: true, start: workflowPeer(set)})
	}
	all = append(all,
		door("gateway", "sidecart's gateway, whole, without a sidecar, in front of an upstream that answers at once"),
		door("reverseproxy", "httputil.ReverseProxy in front of the same"),
		door("reverseproxy-pool", "the same with buffers that are used again"),
	)
	for _, n := range shardCounts {
		for _, set := range sets {
			all = append(all, Contender{Name: kindOf(n, "shards") + "/" + set, About: "sidecart with so many shards", Keeps: true, start: sidecart(set, func(g *Ground) {
				g.Shop = append(slices.Clone(g.Shop), harness.WithEnv(shardsVariable, strconv.Itoa(n)))
			})})
		}
	}
	for _, n := range replicaCounts {
		for _, set := range sets {
			all = append(all, Contender{Name: kindOf(n, "replicas") + "/" + set, About: "sidecart, split, with so many replicas of inventory", Keeps: true, start: sidecart(set, func(g *Ground) {
				g.Placement, g.Shop = harness.Split, append(slices.Clone(g.Shop), harness.WithReplicas("inventory", n))
			})})
		}
	}
	return all
}

// Settings of sidecart.
const (
	shardsVariable   = "SIDECART_SHARDS"      // of a journal that is made
	profilesVariable = "SIDECART_PPROF_TOKEN" // has the services serve Go's profiles
)

// sidecart starts a whole shop on ground that change, if not nil, has changed.
func sidecart(set string, change func(*Ground)) func(context.Context, Ground, string) (*Running, error) {
	return func(ctx context.Context, g Ground, dir string) (*Running, error) {
		if change != nil {
			change(&g)
		}
		// Serving profiles costs nothing until one is asked for.
		options := slices.Concat(g.Options, g.Shop, []harness.Option{harness.WithSet(set), harness.WithEnv(profilesVariable, harness.ProfilesToken)})
		if g.Profile != "" {
			options = append(options, func(o *run.Options) { o.Profiles = true })
		}
		shop, err := harness.Start(ctx, g.Placement, dir, func(run.Event) {}, options...)
		if err != nil {
			return nil, err
		}
		r := &Running{
			Gateway: shop.Stack.URLs().Gateway, Sandbox: shop.Stack.URLs().App["sandbox"], Header: map[string]string{"Dapr-Api-Token": shop.Stack.Tokens().App},
			pids: func() map[string]int { return pidsOf(shop.Stack) },
			stop: shop.Stop,
		}
		if keys := shop.Keys(); keys != nil {
			r.Tokens = tokensOf(keys)
		}
		var apps []string
		for _, p := range shop.Stack.Processes() {
			if p.Kind == run.KindApp {
				apps = append(apps, p.Name)
			}
			if p.Kind == run.KindApp && (p.App == "sidecart" || p.App == "inventory") {
				r.Reservations = append(r.Reservations, p.URL+"/inventory")
			}
		}
		r.writes = func(ctx context.Context) (sum float64, err error) {
			for _, app := range apps {
				found, err := harness.Scrape(ctx, http.DefaultClient, shop.Stack.URLs().Internal[app])
				if err != nil {
					return 0, err
				}
				sum += found["sidecart_journal_commits_total"]
			}
			return sum, nil
		}
		r.restart = func(ctx context.Context) error { return restart(ctx, shop.Stack, apps) }
		r.heap = func(ctx context.Context) (sum float64, err error) {
			for _, app := range apps {
				live, err := liveHeap(ctx, shop.Stack.URLs().Internal[app])
				if err != nil {
					return 0, fmt.Errorf("the heap of %s: %w", app, err)
				}
				sum += live
			}
			return sum, nil
		}
		if g.Profile != "" {
			r.profile = profiler(g.Profile, filepath.Base(dir), profiles(shop.Stack))
		}
		return described(ctx, r, shop.Stack, set, g)
	}
}

// How many customers order in turn, and for how long they are signed in: longer than a contender runs.
const (
	benchCustomers = 1000
	signedInFor    = 12 * time.Hour
)

func tokensOf(keys *token.Keys) []string {
	all := make([]string, benchCustomers)
	for i := range all {
		all[i] = keys.Sign(token.Claims{Subject: fmt.Sprintf("bench-%04d", i), Roles: []string{token.Customer}, Expires: time.Now().Add(signedInFor)})
	}
	return all
}

// described fills in what holds for every stack: what its store promises, and versions. On an error the stack has been stopped.
func described(ctx context.Context, r *Running, stack *run.Stack, set string, g Ground) (_ *Running, err error) {
	r.Durability = "SQLite in WAL mode, synchronous FULL" // the driver's default, which Dapr's component leaves
	for _, p := range stack.Processes() {
		if p.Version != "" {
			r.Versions = append(r.Versions, p.Version)
		}
	}
	variables := stack.Servers()
	switch {
	case variables[redisVariable] != "":
		r.Durability, err = setFsync(ctx, variables, g.Fsync)
	case variables[postgresVariable] != "":
		r.Durability = "PostgreSQL fsync on, synchronous_commit on" // as runtime/servers starts it
	case set != "embedded":
		r.Durability = "as the servers of the set " + set + " are run"
	}
	if err != nil {
		return nil, errors.Join(err, stack.Stop(ctx))
	}
	return r, nil
}

func pidsOf(stack *run.Stack) map[string]int {
	pids := map[string]int{}
	for _, p := range stack.Processes() {
		// The sandbox is the outside world: a payment provider's work is not the shop's.
		if p.PID != 0 && p.Name != "sandbox" {
			pids[p.Name] = p.PID
		}
	}
	return pids
}

// restart kills processes and starts them again: what they say then is what the store has.
func restart(ctx context.Context, stack *run.Stack, names []string) error {
	for _, name := range names {
		if err := stack.KillProcess(ctx, name); err != nil {
			return fmt.Errorf("killing %s: %w", name, err)
		}
	}
	for _, name := range names {
		if err := stack.StartProcess(ctx, name); err != nil {
			return fmt.Errorf("starting %s again: %w", name, err)
		}
	}
	return nil
}

// adminsAtOnce bounds how many SKUs are put or read at a time.
const adminsAtOnce = 8

// put puts SKUs on sale, so many units of each.
func (r *Running) put(ctx context.Context, skus []string, units int64) error {
	product := client.Product{Title: "Moka pot", Price: client.Money{Amount: 2990, Currency: "EUR"}, Quantity: units}
	return each(skus, func(_ int, sku string) error { return r.admin(ctx, http.MethodPut, sku, product, nil) })
}

// books adds up the books of SKUs. Each of them must add up by itself, or the error says which does not.
func (r *Running) books(ctx context.Context, skus []string) (sum Books, err error) {
	all := make([]Books, len(skus))
	defer func() {
		if err != nil {
			err = fmt.Errorf("reading the books: %w", err)
		}
	}()
	err = each(skus, func(i int, sku string) error {
		if err := r.admin(ctx, http.MethodGet, sku, nil, &all[i]); err != nil {
			return err
		}
		if b := all[i]; b.Available < 0 || b.Available+b.Committed() != b.Received {
			return fmt.Errorf("units of %s do not add up: %+v", sku, b)
		}
		return nil
	})
	for _, b := range all {
		sum.Received += b.Received
		sum.Available += b.Available
		sum.Reserved += b.Reserved
		sum.Sold += b.Sold
	}
	return sum, err
}

func each(skus []string, do func(i int, sku string) error) error {
	var g errgroup.Group
	g.SetLimit(adminsAtOnce)
	for i, sku := range skus {
		g.Go(func() error { return do(i, sku) })
	}
	return g.Wait()
}

func (r *Running) admin(ctx context.Context, method, sku string, body, out any) error {
	c := client.New(r.Reservations[0], adminWithin)
	defer c.Close()
	header := http.Header{}
	for name, value := range r.Header {
		header.Set(name, value)
	}
	a, err := c.Do(ctx, method, "/v1/inventory/"+sku, header, body)
	if err != nil {
		return err
	}
	if a.Status >= http.StatusBadRequest {
		return fmt.Errorf("%s %s was answered %d: %s", method, sku, a.Status, strings.TrimSpace(string(a.Body)))
	}
	if out == nil {
		return nil
	}
	return a.Into(out)
}
