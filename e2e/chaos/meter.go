package chaos

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sidecart/sidecart/e2e/harness"
)

const meterEvery = time.Second

// Meter adds up counters of processes that die and begin again at zero. What a process counted in its last second
// is missing.
type Meter struct {
	shop  *harness.Shop
	names []string
	http  *http.Client

	mu    sync.Mutex
	last  map[string]float64 // app and counter → as last read
	total map[string]float64 // counter → over all processes and lives
}

// NewMeter makes a Meter of counters (without labels: all series of a name are added).
func NewMeter(shop *harness.Shop, names ...string) *Meter {
	return &Meter{shop: shop, names: names, http: &http.Client{Timeout: meterEvery}, last: map[string]float64{}, total: map[string]float64{}}
}

// Run reads until ctx ends.
func (m *Meter) Run(ctx context.Context) {
	tick := time.NewTicker(meterEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for app, base := range m.shop.Stack.URLs().Internal {
				if app != "broker" && app != "sandbox" {
					m.read(ctx, app, base)
				}
			}
		}
	}
}

// Total is what a counter came to.
func (m *Meter) Total(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int(m.total[name])
}

func (m *Meter) read(ctx context.Context, app, base string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", nil)
	if err != nil {
		return
	}
	resp, err := m.http.Do(req)
	if err != nil {
		return
	}
	defer func() { _ = resp.Body.Close() }()
	sums := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		series, text, _ := strings.Cut(lines.Text(), " ")
		name, _, _ := strings.Cut(series, "{")
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			sums[name] += value
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range m.names {
		now, key := sums[name], app+" "+name
		if now < m.last[key] {
			m.last[key] = 0 // another life
		}
		m.total[name] += now - m.last[key]
		m.last[key] = now
	}
}
