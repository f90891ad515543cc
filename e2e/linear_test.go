package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/e2e/linear"
	"github.com/sidecart/sidecart/runtime/run"
)

// TestReservationsAreLinearizable has clients reserve, confirm, release and read at replicas of inventory that they
// choose themselves, while replicas and their sidecars are killed and frozen, and then asks for each SKU whether one counter
// that does one thing at a time could have given those answers. SIDECART_E2E_SKUS sets how many SKUs, for a longer run.
func TestReservationsAreLinearizable(t *testing.T) {
	harness.SkipIfShort(t)
	for _, replicas := range []int{2, 3} {
		t.Run(fmt.Sprintf("%d replicas", replicas), func(t *testing.T) {
			l := newLinearRun(t, replicas)
			l.run(t)
			tally := l.history.Tally()
			t.Logf("%d replicas: %d SKUs, %d calls in %s, of which %d without an answer, %d sold out, %d refused otherwise; %d kills, %d freezes; answered by %v",
				replicas, tally.SKUs, tally.Calls, time.Since(l.began).Round(time.Second), tally.Unknown, tally.SoldOut, tally.Refused,
				l.kills, l.freezes, l.answered())
			// Not a folder of the test's own, which would be gone when somebody wants to look.
			folder := filepath.Join(os.TempDir(), fmt.Sprintf("sidecart-linear-%d", time.Now().UnixNano()))
			searching := time.Now()
			require.NoError(t, l.history.Check(folder))
			t.Logf("an order of each SKU's calls was found in %s", time.Since(searching).Round(time.Millisecond))
			assert.Positive(t, tally.SoldOut)
			assert.Positive(t, tally.Refused)
			assert.Positive(t, l.kills)
			for _, r := range l.replicas {
				assert.Positive(t, r.answered.Load(), "%s took no part", r.name)
			}
		})
	}
}

// Bounds of the run. Four clients share a SKU for forty calls each: enough for races, few enough that the search for
// an order ends in milliseconds.
const (
	linearUnits         = 12
	linearGroups        = 3
	clientsOfSKU        = 4
	callsOfClient       = 40
	defaultLinearSKUs   = 45
	linearAnswerWithin  = 8 * time.Second // above the journal's own 5 s
	linearFreeze        = 1500 * time.Millisecond
	linearBetweenFaults = 700 * time.Millisecond
)

// linearReplica is a process of inventory as a client that goes past the gateway reaches it.
type linearReplica struct {
	name     string
	http     *client.Client
	answered atomic.Int64
}

type linearRun struct {
	shop     *harness.Shop
	history  *linear.History
	replicas []*linearReplica
	token    http.Header
	skus     int
	began    time.Time

	next           atomic.Int64 // SKUs given out
	kills, freezes int
}

func newLinearRun(t *testing.T, replicas int) *linearRun {
	s := harness.Open(t, harness.Replicas, harness.WithReplicas("inventory", replicas), harness.WithQuickRestarts())
	l := &linearRun{
		shop: s, history: linear.NewHistory(linearUnits), skus: envInt(t, "SIDECART_E2E_SKUS", defaultLinearSKUs), began: time.Now(),
		token: http.Header{"Dapr-Api-Token": {s.Stack.Tokens().App}},
	}
	for _, p := range s.Stack.Processes() {
		if p.App == "inventory" && p.Kind == run.KindApp {
			c := client.New(p.URL+"/inventory", linearAnswerWithin)
			t.Cleanup(c.Close)
			l.replicas = append(l.replicas, &linearReplica{name: p.Name, http: c})
		}
	}
	require.Len(t, l.replicas, replicas)
	return l
}

// run works through the SKUs, several at a time, with faults all the while.
func (l *linearRun) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var faults sync.WaitGroup
	faults.Go(func() { l.faults(ctx) })
	var g errgroup.Group
	for range linearGroups {
		g.Go(func() error {
			for n := l.next.Add(1); n <= int64(l.skus); n = l.next.Add(1) {
				if err := l.sell(ctx, fmt.Sprintf("linear-%d", n)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	cancel()
	faults.Wait()
	require.NoError(t, err)
	l.shop.AwaitReady(t)
}

// sell puts one SKU on sale and lets its clients at it.
func (l *linearRun) sell(ctx context.Context, sku string) error {
	product := client.Product{Title: sku, Price: client.Money{Amount: 100, Currency: "EUR"}, Quantity: linearUnits}
	_, err := insist(ctx, func() (bool, error) {
		_, created, err := l.shop.Put(ctx, sku, product)
		return created, err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", sku, err)
	}
	var g errgroup.Group
	for range clientsOfSKU {
		g.Go(func() error {
			c := l.history.Client()
			var failed error
			for range callsOfClient {
				call := linear.Call{SKU: sku, Op: someOp(), ID: rand.IntN(linear.IDs)}
				replica := l.replicas[rand.IntN(len(l.replicas))]
				c.Do(call, func() (answer linear.Answer, sent bool) {
					answer, sent, failed = l.call(ctx, replica, call)
					return answer, sent
				})
				if failed != nil {
					return fmt.Errorf("%s at %s: %+v: %w", sku, replica.name, call, failed)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func someOp() linear.Op {
	ops := [...]linear.Op{linear.Reserve, linear.Reserve, linear.Reserve, linear.Reserve, linear.Confirm, linear.Confirm,
		linear.Release, linear.Get, linear.Get, linear.Get}
	return ops[rand.IntN(len(ops))]
}

// call makes one request of one replica. sent is false when it certainly changed nothing; the error is an answer that is none of
// the contract's.
func (l *linearRun) call(ctx context.Context, r *linearReplica, call linear.Call) (answer linear.Answer, sent bool, err error) {
	method, path, body := l.request(call)
	a, err := r.http.Do(ctx, method, path, l.token, body)
	if err != nil {
		refused := errors.Is(err, syscall.ECONNREFUSED)
		return linear.Answer{Unknown: true}, !refused, nil
	}
	switch {
	case a.Status >= http.StatusBadRequest:
		var problem struct {
			Code      string `json:"code"`
			Available int64  `json:"available"`
		}
		if err := a.Into(&problem); err != nil {
			return linear.Answer{Unknown: true}, true, err
		}
		if a.Status >= http.StatusInternalServerError {
			// "unavailable" and "overloaded" promise that nothing was changed and nothing will be. They are held to it: the call
			// is left out, and an effect of it would have no explanation.
			return linear.Answer{Unknown: true}, problem.Code != "unavailable" && problem.Code != "overloaded", nil
		}
		answer.Code, answer.Figures.Available = problem.Code, problem.Available
		switch problem.Code {
		case linear.SoldOut, linear.UnknownReservation, linear.AlreadyConfirmed, linear.AlreadyReleased:
		case "unknown_sku": // a replica that does not know what its clients were told is for sale: no order explains that
		default:
			return answer, true, fmt.Errorf("%d: %s", a.Status, a.Body)
		}
	case call.Op == linear.Get:
		var s client.Stock
		if err := a.Into(&s); err != nil {
			return linear.Answer{Unknown: true}, true, err
		}
		answer.Figures = linear.Figures{Available: s.Available, Reserved: s.Reserved, Sold: s.Sold, Version: int64(s.Version)}
	}
	r.answered.Add(1)
	return answer, true, nil
}

func (l *linearRun) request(call linear.Call) (method, path string, body any) {
	item := "/v1/inventory/" + url.PathEscape(call.SKU)
	id := fmt.Sprintf("r%d", call.ID)
	switch call.Op {
	case linear.Get:
		return http.MethodGet, item, nil
	case linear.Reserve:
		return http.MethodPost, item + "/reservations",
			map[string]any{"id": id, "quantity": linear.Quantity(call.ID), "hold_seconds": 3600}
	default:
		return http.MethodPost, item + "/reservations/" + id + "/" + call.Op.String(), nil
	}
}

// faults kills or freezes a replica or its sidecar, again and again until ctx ends. A frozen one goes on where it stopped:
// with a head that it believes to be the newest and is not.
func (l *linearRun) faults(ctx context.Context) {
	for wait(ctx, linearBetweenFaults) {
		victim := l.replicas[rand.IntN(len(l.replicas))].name
		if rand.IntN(2) == 0 {
			victim += ".daprd"
		}
		if p, _ := l.shop.Stack.Process(victim); p.State != run.StateReady {
			continue
		}
		if rand.IntN(3) > 0 {
			if l.shop.Stack.Kill(victim, syscall.SIGKILL) == nil {
				l.kills++
			}
			continue
		}
		if l.shop.Stack.Kill(victim, syscall.SIGSTOP) != nil {
			continue
		}
		l.freezes++
		wait(ctx, linearFreeze)
		// It fails for a process that an earlier kill had condemned: then there is nothing left to thaw.
		_ = l.shop.Stack.Kill(victim, syscall.SIGCONT)
	}
}

func (l *linearRun) answered() string {
	var b strings.Builder
	for _, r := range l.replicas {
		fmt.Fprintf(&b, "%s %d ", r.name, r.answered.Load())
	}
	return strings.TrimSpace(b.String())
}

// wait lets time pass; false when ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// envInt is a whole number above 0 from the environment.
func envInt(t *testing.T, name string, byDefault int) int {
	text := os.Getenv(name)
	if text == "" {
		return byDefault
	}
	var n int
	_, err := fmt.Sscan(text, &n)
	require.NoError(t, err, name)
	require.Positive(t, n, name)
	return n
}
