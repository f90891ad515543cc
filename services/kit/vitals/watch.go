package vitals

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config of a Watch; zero fields get the defaults.
type Config struct {
	Every time.Duration // between looks; default 5 s
	// Leave says that an unhealthy process is not ready, in its turns. Only where others take its requests.
	Leave bool
}

// Deps of a Watch.
type Deps struct {
	Now     func() time.Time
	ID      string // of this process; it draws the turn by it
	Log     *slog.Logger
	Metrics prometheus.Registerer // may be nil
}

// Watch keeps the levels of the process. Its methods are safe for concurrent use.
type Watch struct {
	cfg     Config
	deps    Deps
	metrics gauges

	mu      sync.Mutex
	signals []*signal
}

// New makes a Watch; it does nothing until Run.
func New(cfg Config, deps Deps) (*Watch, error) {
	if cfg.Every == 0 {
		cfg.Every = 5 * time.Second
	}
	if cfg.Every < 0 {
		return nil, fmt.Errorf("vitals: Every is %v, want more than 0", cfg.Every)
	}
	w := &Watch{cfg: cfg, deps: deps, signals: signals(), metrics: newGauges()}
	if deps.Metrics == nil {
		return w, nil
	}
	return w, errors.Join(deps.Metrics.Register(w.metrics.value), deps.Metrics.Register(w.metrics.level), deps.Metrics.Register(w.metrics.unhealthy))
}

// Run looks at what read tells (Reader.Read) until ctx ends, then returns nil. It is the only one that calls read.
func (w *Watch) Run(ctx context.Context, read func() Reading) error {
	tick := time.NewTicker(w.cfg.Every)
	defer tick.Stop()
	for {
		w.look(ctx, read())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look takes a reading in; what changed is said in the log.
func (w *Watch) look(ctx context.Context, r Reading) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.unhealthy()
	for _, s := range w.signals {
		was, v := s.level, s.of(r)
		if s.see(r) {
			level := slog.LevelWarn
			if s.level < was {
				level = slog.LevelInfo
			}
			w.deps.Log.Log(ctx, level, "a signal of this process has another level",
				slog.String("signal", s.name), slog.Float64("value", v), slog.String("level", s.level.String()), slog.String("was", was.String()))
		}
		if v != Unknown {
			w.metrics.value.WithLabelValues(s.name).Set(v)
		}
		w.metrics.level.WithLabelValues(s.name).Set(float64(s.level))
	}
	now := w.unhealthy()
	w.metrics.unhealthy.Set(0)
	if now {
		w.metrics.unhealthy.Set(1)
	}
	if now != before {
		w.deps.Log.WarnContext(ctx, "the health of this process has changed", slog.Bool("unhealthy", now), slog.Bool("leaves_in_its_turns", w.cfg.Leave))
	}
}

// unhealthy is the rule of the package's comment. Called with the lock held.
func (w *Watch) unhealthy() bool {
	in := map[string]bool{}
	for _, s := range w.signals {
		in[s.name] = s.level == Danger
	}
	return in["cpu"] || in["memory"] || in["gc_pause"] && in["goroutines"]
}

// Levels gives the signals that are not fine, for people.
func (w *Watch) Levels() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	levels := map[string]string{}
	for _, s := range w.signals {
		if s.level != Fine {
			levels[s.name] = s.level.String()
		}
	}
	return levels
}

// Ready is an error while the process is unhealthy, may leave, and it is its turn.
func (w *Watch) Ready() error {
	if !w.cfg.Leave {
		return nil
	}
	w.mu.Lock()
	unhealthy := w.unhealthy()
	w.mu.Unlock()
	if !unhealthy || !turn(w.deps.ID, w.deps.Now()) {
		return nil
	}
	return errors.New("this process is in danger (its signals say of what) and rests for a moment")
}

// Turns: time is cut into intervals of turnLasts, and a process has every turns-th of them, drawn by its id.
const (
	turnLasts = 30 * time.Second
	turns     = 10
)

// turn says whether the process of that id may be away now. Of replicas that are all in danger, a tenth are away at a time, whoever they
// are and without asking each other.
func turn(id string, now time.Time) bool {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // never fails
	return uint64(now.UnixNano()/int64(turnLasts))%turns == h.Sum64()%turns
}

// gauges are what Prometheus is told.
type gauges struct {
	value, level *prometheus.GaugeVec
	unhealthy    prometheus.Gauge
}

func newGauges() gauges {
	return gauges{
		value: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sidecart_process_signal", Help: "What the process is watched for: shares of cpu and memory, seconds of gc_pause, goroutines.",
		}, []string{"signal"}),
		level: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sidecart_process_level", Help: "Level of each signal: 0 fine, 1 warning, 2 danger.",
		}, []string{"signal"}),
		unhealthy: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sidecart_process_unhealthy", Help: "1 while CPU or memory is in danger, or both GC pauses and goroutines are.",
		}),
	}
}
