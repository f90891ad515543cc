package rules

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/fault"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Config is what may be set. Zero durations take the defaults that are named.
type Config struct {
	Path       string        // of gateway.yaml; "": there is none, and every section has its defaults
	Every      time.Duration // between two looks at the file; 1 s
	StoreEvery time.Duration // between two looks at the configuration store; 5 s
	StoreAgain time.Duration // until a sidecar that had no such store is asked again; 1 min
}

// Deps is what a Watcher is given. Store may be nil; Log and Now have defaults.
type Deps struct {
	Store   sidecar.Configuration
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Part is a part of the gateway that takes rules. Check, which may be nil, finds what only it can know, such as what does not fit the
// contracts; places begin at the document. Use must not fail: it is called once every part's Check has found nothing, from one
// goroutine at a time, while requests go on.
type Part struct {
	Check func(*File) []fault.Fault
	Use   func(*File)
}

// Watcher keeps the rules in use. Make it with New, Join the parts, Load, then Run.
type Watcher struct {
	cfg   Config
	deps  Deps
	parts []Part
	nudge chan struct{} // has room for one

	loads   *prometheus.CounterVec
	refused prometheus.Gauge

	mu        sync.Mutex // held while rules are put into use
	status    Status
	seen      digest   // what was last used or refused
	named     []string // files that the last readable document named; they are looked at with it
	unsettled digest   // of a file that has changed and may still be being written
	item      string   // of the store, "" if it has none
}

type digest [sha256.Size]byte

// Status is what GET /v1/ops/rules tells.
type Status struct {
	Source  string    `json:"source"` // of what is in use: a path, "configuration/gateway.yaml", or "none"
	Digest  string    `json:"digest"` // of its text and of the files that it names, the first 12 hexadecimal digits of SHA-256
	Since   time.Time `json:"since"`
	Routes  int       `json:"routes"` // that it has rules for
	Refused *Refusal  `json:"refused,omitempty"`
	Store   string    `json:"store"` // of the configuration store: absent, empty, used or unreachable
}

// Refusal is why what is there now is not in use.
type Refusal struct {
	Source string    `json:"source"`
	Digest string    `json:"digest"`
	At     time.Time `json:"at"`
	Faults []Fault   `json:"faults"`
}

const storeName = StoreComponent + "/" + StoreItem

// States of the store.
const (
	storeAbsent      = "absent"
	storeEmpty       = "empty"
	storeUsed        = "used"
	storeUnreachable = "unreachable"
)

// New makes a Watcher. It has no effect but registering metrics.
func New(cfg Config, deps Deps) (*Watcher, error) {
	cfg.Every = cmp.Or(cfg.Every, time.Second)
	cfg.StoreEvery = cmp.Or(cfg.StoreEvery, 5*time.Second)
	cfg.StoreAgain = cmp.Or(cfg.StoreAgain, time.Minute)
	if deps.Now == nil {
		deps.Now = func() time.Time { return time.Now().UTC() }
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	w := &Watcher{
		cfg: cfg, deps: deps, nudge: make(chan struct{}, 1), status: Status{Source: "none", Store: storeAbsent},
		loads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_rules_loads_total", Help: "New rules of the gateway, by whether they came into use.",
		}, []string{"result"}),
		refused: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_rules_refused", Help: "1 while the rules that are there are not in use because something is wrong with them.",
		}),
	}
	for _, result := range []string{"used", "refused"} {
		w.loads.WithLabelValues(result)
	}
	if deps.Metrics == nil {
		return w, nil
	}
	return w, errors.Join(deps.Metrics.Register(w.loads), deps.Metrics.Register(w.refused))
}

// Join adds a part, before Load.
func (w *Watcher) Join(p Part) { w.parts = append(w.parts, p) }

// Load puts the file into use, or says why it cannot be; call it once, before anything runs. The store is asked later: the sidecar
// may come after its app.
func (w *Watcher) Load() error {
	d := &Document{File: File{Version: layout}}
	var text []byte
	if w.cfg.Path != "" {
		var err error
		if text, err = readFile(w.cfg.Path); err != nil {
			return err
		}
		if d, err = Parse(w.cfg.Path, text); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.named = d.File.Services.Files()
	w.seen = w.digest(text) // before they are read for use, as in consider
	if faults := w.objections(d); len(faults) > 0 {
		return &Faults{Source: w.cfg.Path, List: faults}
	}
	w.use(d, w.cfg.Path)
	return nil
}

// Nudge has the sources looked at soon, and a changed file not waited for.
func (w *Watcher) Nudge() {
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// Status tells what is in use and what is not.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// Run follows the sources until ctx ends. The file is read at every look and not watched for events: it is small, an event says
// nothing of a link behind a link having changed (a ConfigMap), and what is read by its content misses nothing.
func (w *Watcher) Run(ctx context.Context) {
	var asking sync.WaitGroup
	if w.deps.Store != nil {
		asking.Go(func() { w.followStore(ctx) })
	}
	defer asking.Wait()
	tick := time.NewTicker(w.cfg.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.look(false)
		case <-w.nudge:
			w.look(true)
		}
	}
}

// look compares what is there with what was last seen and puts it into use. A file that has changed is taken at the second look that
// finds it the same, unless atOnce: at the first, an editor may have written half of it, which may well be good YAML. The store, whose
// items are whole, nudges.
func (w *Watcher) look(atOnce bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	source, text := storeName, []byte(w.item)
	if w.item == "" {
		if w.cfg.Path == "" {
			return
		}
		var err error
		if text, err = readFile(w.cfg.Path); err != nil {
			w.deps.Log.Debug("the rules cannot be read; what is in use stays", slog.Any("error", err))
			return
		}
		source = w.cfg.Path
	}
	now := w.digest(text)
	if now == w.seen {
		w.unsettled = digest{}
		return
	}
	if !atOnce && now != w.unsettled {
		w.unsettled = now
		return
	}
	w.seen, w.unsettled = now, digest{}
	w.consider(source, text)
}

// digest is that of a document, and of the files that it names as far as they can be read. w.mu is held.
func (w *Watcher) digest(text []byte) digest {
	if len(w.named) == 0 {
		return sha256.Sum256(text)
	}
	all := sha256.New()
	for _, part := range append([][]byte{text}, filesOf(w.named)...) {
		sum := sha256.Sum256(part)
		all.Write(sum[:])
	}
	return digest(all.Sum(nil))
}

// consider puts a document into use or refuses it. w.mu is held.
func (w *Watcher) consider(source string, text []byte) {
	d, err := Parse(source, text)
	var faults []Fault
	if bad, ok := errors.AsType[*Faults](err); ok {
		faults = bad.List
	} else {
		w.named = d.File.Services.Files()
		w.seen = w.digest(text)
		faults = w.objections(d) // reads the files later: what has changed by then is seen at the next look
	}
	if len(faults) == 0 {
		w.use(d, source)
		w.deps.Log.Info("new rules are in use", slog.String("source", source), slog.String("digest", w.status.Digest))
		return
	}
	w.status.Refused = &Refusal{Source: source, Digest: w.seen.short(), At: w.deps.Now(), Faults: faults}
	w.refused.Set(1)
	w.loads.WithLabelValues("refused").Inc()
	w.deps.Log.Warn("new rules are refused as a whole; those before stay in use", slog.String("source", source),
		slog.Int("faults", len(faults)), slog.String("first", faults[0].String()))
}

// objections are what the parts find.
func (w *Watcher) objections(d *Document) (all []Fault) {
	for _, p := range w.parts {
		if p.Check != nil {
			all = append(all, d.locate(p.Check(&d.File))...)
		}
	}
	return all[:min(len(all), maxFaults)]
}

// use gives the rules to every part. w.mu is held.
func (w *Watcher) use(d *Document, source string) {
	for _, p := range w.parts {
		p.Use(&d.File)
	}
	w.status.Source, w.status.Digest, w.status.Since = source, w.seen.short(), w.deps.Now()
	w.status.Routes, w.status.Refused = len(d.File.Routes), nil
	if source == "" {
		w.status.Source, w.status.Digest = "none", ""
	}
	w.refused.Set(0)
	w.loads.WithLabelValues("used").Inc()
}

func (d digest) short() string { return hex.EncodeToString(d[:6]) }
