package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
)

// Bounds of the comparison of speeds.
const (
	speedBuyers = 64
	speedWarm   = 2 * time.Second
	speedFor    = 6 * time.Second
	speedUnits  = 10_000_000
)

// versions is what a shop's set ran on.
func versions(s *harness.Shop) string {
	var names []string
	for _, p := range s.Stack.Processes() {
		if p.Version != "" {
			names = append(names, p.Version)
		}
	}
	if len(names) == 0 {
		return "SQLite and NATS JetStream, built in"
	}
	return strings.Join(names, ", ")
}

// runningBinary is the hash of the program that the shop's services run, read from the processes themselves: a file may have been
// replaced since.
func runningBinary(t *testing.T, s *harness.Shop) string {
	t.Helper()
	hash := ""
	for _, p := range s.Stack.Processes() {
		if p.Kind != run.KindApp {
			continue
		}
		got := hashFile(t, fmt.Sprintf("/proc/%d/exe", p.PID))
		require.True(t, hash == "" || hash == got, "the processes of one shop run different programs")
		hash = got
	}
	return hash
}

func hashFile(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	h := sha256.New()
	_, err = io.Copy(h, f)
	require.NoError(t, err)
	return hex.EncodeToString(h.Sum(nil))
}

// ordersPerSecond is how many orders a fresh shop on the set takes when a crowd places them as fast as it is answered, every service in
// one process.
func ordersPerSecond(t *testing.T, set string) float64 {
	s := harness.Open(t, harness.One, harness.WithSet(set))
	sku := stocked(t, s, speedUnits)
	var placed atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var buyers errgroup.Group
	for range speedBuyers {
		buyers.Go(func() error {
			for ctx.Err() == nil {
				if _, err := s.Place(ctx, uuid.NewString(), basket(sku, 1)); err != nil && ctx.Err() == nil {
					return err
				}
				placed.Add(1)
			}
			return nil
		})
	}
	pass(t, speedWarm)
	before, began := placed.Load(), time.Now()
	pass(t, speedFor)
	n, took := placed.Load()-before, time.Since(began)
	cancel()
	require.NoError(t, buyers.Wait())
	require.NoError(t, s.Stop(t.Context()))
	require.Positive(t, n)
	return float64(n) / took.Seconds()
}
