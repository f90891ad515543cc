package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// errNoContract says that a service has no public part.
var errNoContract = errors.New("gateway: the service has no contract")

// table is everything that follows from the contracts which are known. It is not changed once it is made.
type table struct {
	root    *node
	missing []string // services whose contract has not been learned
	twice   []route  // operations that an earlier contract has already
	openAPI asset
	docs    asset
}

// asset is a document that is made once and served often.
type asset struct {
	contentType string
	body        []byte
	etag        string
}

func newAsset(contentType string, body []byte) asset {
	sum := sha256.Sum256(body)
	return asset{contentType: contentType, body: body, etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
}

// newTable joins the contracts; the first is the gateway's own. base is the address that examples show.
func newTable(contracts []contractOf, missing []string, base string) (*table, error) {
	t := &table{root: &node{}, missing: missing}
	for _, c := range contracts {
		for _, r := range c.routes() {
			if !t.root.insert(r) {
				t.twice = append(t.twice, r)
			}
		}
	}
	merged, err := json.Marshal(merge(contracts), json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("gateway: merged contract: %w", err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(merged)
	if err == nil {
		err = doc.Validate(context.Background())
	}
	if err != nil {
		return nil, fmt.Errorf("gateway: merged contract: %w", err)
	}
	page, err := renderDocs(doc, missing, base)
	if err != nil {
		return nil, fmt.Errorf("gateway: documentation: %w", err)
	}
	t.openAPI = newAsset("application/json", merged)
	t.docs = newAsset("text/html; charset=utf-8", page)
	return t, nil
}

// Run learns the contracts until all are known and then looks for changes, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	known := map[string]contractOf{} // a service without a contract has an empty one
	began := time.Now()
	wait := 100 * time.Millisecond
	for {
		if s.learn(ctx, known) {
			wait = s.cfg.RefreshEvery
		} else {
			wait = min(2*wait, s.cfg.RefreshEvery, 2*time.Second)
		}
		if !s.started.Load() && time.Since(began) > s.cfg.StartAnyway {
			s.started.Store(true)
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}

// learn asks every service for its contract and makes a new table if one has changed. A contract that is away or
// broken leaves the one that was known. It reports whether all are known.
func (s *Service) learn(ctx context.Context, known map[string]contractOf) bool {
	changed := false
	for _, name := range s.cfg.Services {
		raw, err := s.fetchContract(ctx, name)
		if errors.Is(err, errNoContract) {
			raw, err = nil, nil
		}
		was, had := known[name]
		if err != nil || had && was.raw == string(raw) {
			if err != nil && ctx.Err() == nil {
				s.log.Debug("a contract was not learned", "of", name, "error", err)
			}
			continue
		}
		c := contractOf{service: name}
		if raw != nil {
			if c, err = readContract(name, raw); err != nil {
				s.log.Error("a contract is not usable; what was known before stays", "of", name, "error", err)
				continue
			}
		}
		known[name], changed = c, true
	}
	contracts, missing := []contractOf{s.own}, []string{}
	for _, name := range s.cfg.Services {
		if c, ok := known[name]; ok {
			contracts = append(contracts, c)
		} else {
			missing = append(missing, name)
		}
	}
	if changed {
		s.adopt(contracts, missing)
	}
	return len(missing) == 0
}

// adopt makes the table of these contracts the one that is used.
func (s *Service) adopt(contracts []contractOf, missing []string) {
	t, err := newTable(contracts, missing, s.cfg.base())
	if err != nil {
		s.log.Error("the contracts do not go together; the former ones stay in use", "error", err)
		return
	}
	for _, r := range t.twice {
		s.log.Error("two contracts have the same operation; the later one is left out", "of", r.service, "operation", r.method+" "+r.template)
	}
	s.table.Store(t)
	if len(missing) == 0 {
		s.log.Info("all contracts are known", "services", slices.Clone(s.cfg.Services))
	}
}

func (s *Service) fetchContract(ctx context.Context, service string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StatusWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+service+"/openapi.yaml", nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.deps.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if isOurs(resp) && resp.StatusCode == http.StatusNotFound {
		return nil, errNoContract
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answer %d", resp.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxContractBytes+1))
	if err == nil && len(raw) > maxContractBytes {
		err = fmt.Errorf("the contract is over %d bytes", maxContractBytes)
	}
	return raw, err
}
