package chaos

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
)

const (
	scribeName   = "auditor" // the follower that it registers as, so that nothing it has not read is trimmed
	readEvery    = 500 * time.Millisecond
	readWithin   = 10 * time.Second
	readSegments = 200
	tailSegments = 200 // kept per shard, to see that what was committed stays what it was; one page
)

// journals are the services that have one.
var journals = []string{"inventory", "order", "payment", "notify"}

// Scribe follows every journal as a follower does and keeps an account of its own. It is safe for concurrent use.
type Scribe struct {
	shop *harness.Shop
	http *http.Client

	mu     sync.Mutex
	shards map[string][]*position // by service
	told   *account
}

// position is how far one shard was read.
type position struct {
	seq  uint64
	at   time.Time
	tail map[uint64][32]byte // digests of the last segments
}

// NewScribe makes a Scribe of a shop whose journals are still whole; it reads nothing yet.
func NewScribe(shop *harness.Shop) *Scribe {
	return &Scribe{shop: shop, http: &http.Client{Timeout: readWithin}, shards: map[string][]*position{}, told: newAccount()}
}

// Run reads along until ctx ends, so that trimming can go on under the load.
func (s *Scribe) Run(ctx context.Context) {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = s.CatchUp(ctx) // the shop may be down just now; the books insist
		}
	}
}

// CatchUp reads every journal to its present end.
func (s *Scribe) CatchUp(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, service := range journals {
		var heads struct{ Heads []uint64 }
		if err := s.get(ctx, service, "/journal", &heads); err != nil {
			return err
		}
		for len(s.shards[service]) < len(heads.Heads) {
			s.shards[service] = append(s.shards[service], &position{tail: map[uint64][32]byte{}})
		}
		for shard, head := range heads.Heads {
			if err := s.readTo(ctx, service, shard, head); err != nil {
				return err
			}
		}
	}
	return nil
}

// readTo folds the segments of a shard up to head, which is committed.
func (s *Scribe) readTo(ctx context.Context, service string, shard int, head uint64) error {
	p := s.shards[service][shard]
	if head < p.seq {
		s.told.violation("%s/%d ends at %d; segment %d was there before", service, shard, head, p.seq)
	}
	for p.seq < head {
		page, err := s.page(ctx, service, shard, p.seq, p.seq)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return fmt.Errorf("%s/%d has nothing after %d although its head is %d", service, shard, p.seq, head)
		}
		for _, raw := range page {
			if err := s.fold(service, shard, p, raw); err != nil {
				return err
			}
		}
	}
	return nil
}

// page reads some segments after seq, and says that everything up to read was read.
func (s *Scribe) page(ctx context.Context, service string, shard int, seq, read uint64) ([]json.RawMessage, error) {
	var page struct{ Segments []json.RawMessage }
	path := fmt.Sprintf("/journal/%d?after=%d&limit=%d&follower=%s&acked=%d", shard, seq, readSegments, scribeName, read)
	err := s.get(ctx, service, path, &page)
	return page.Segments, err
}

func (s *Scribe) fold(service string, shard int, p *position, raw json.RawMessage) error {
	var next segment
	if err := json.Unmarshal(raw, &next); err != nil {
		return fmt.Errorf("%s/%d after %d: %w", service, shard, p.seq, err)
	}
	if next.Service != service || next.Shard != shard || next.Seq != p.seq+1 {
		s.told.violation("after %s/%d/%d comes %s/%d/%d", service, shard, p.seq, next.Service, next.Shard, next.Seq)
	}
	if next.At.Before(p.at) {
		s.told.violation("time goes back at %s/%d/%d", service, shard, next.Seq)
	}
	if err := s.told.apply(next); err != nil {
		return err
	}
	p.seq, p.at = next.Seq, next.At
	p.tail[next.Seq] = sha256.Sum256(raw)
	delete(p.tail, next.Seq-tailSegments)
	return nil
}

// Reread reads the last segments again: what was committed must be what it was, whoever died since.
func (s *Scribe) Reread(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for service, shards := range s.shards {
		for shard, p := range shards {
			page, err := s.page(ctx, service, shard, p.seq-min(p.seq, tailSegments), p.seq)
			if gone, trimmed := errors.AsType[*trimmedError](err); trimmed {
				page, err = s.page(ctx, service, shard, gone.StartAfter, p.seq)
			}
			if err != nil {
				return err
			}
			for _, raw := range page {
				var again segment
				if err := json.Unmarshal(raw, &again); err != nil {
					return err
				}
				if was, ok := p.tail[again.Seq]; ok && was != sha256.Sum256(raw) {
					s.told.violation("%s/%d/%d is another segment than it was", service, shard, again.Seq)
				}
			}
		}
	}
	return nil
}

// Segments is how many segments were read.
func (s *Scribe) Segments() (n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, shards := range s.shards {
		for _, p := range shards {
			n += p.seq
		}
	}
	return n
}

// get asks a service as its own sidecar would, so it works while the sidecar does not.
func (s *Scribe) get(ctx context.Context, service, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base(service)+"/"+service+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Dapr-Api-Token", s.shop.Stack.Tokens().App)
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusGone {
		gone := &trimmedError{path: service + path}
		return cmp.Or[error](json.Unmarshal(body, gone), gone)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s: %d %s", service, path, resp.StatusCode, strings.TrimSpace(string(body)))
	}
	return json.Unmarshal(body, into)
}

// base is the address of an app that runs a service: of several replicas, of the first that is up.
func (s *Scribe) base(service string) (url string) {
	for _, p := range s.shop.Stack.Processes() {
		if p.Kind != run.KindApp || p.App != service && p.App != "sidecart" {
			continue
		}
		if p.State == run.StateReady {
			return p.URL
		}
		url = p.URL
	}
	return url
}

// PaymentSeconds gives, sorted, how long each order that was paid waited from its payment's request, by the
// journal's time.
func (s *Scribe) PaymentSeconds() []float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.told.paySecs))
}

// trimmedError says that segments are no more.
type trimmedError struct {
	path       string
	StartAfter uint64 `json:"start_after"`
}

// Error says which.
func (e *trimmedError) Error() string {
	return fmt.Sprintf("%s: trimmed up to %d", e.path, e.StartAfter)
}
