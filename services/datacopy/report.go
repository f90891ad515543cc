package datacopy

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Phases of a Progress, in their order.
const (
	PhaseCopying   = "copying"   // while the shop sells
	PhaseClosing   = "closing"   // the pause has begun
	PhaseComparing = "comparing" // both stores are loaded
	PhaseSwitching = "switching" // the target is being opened
)

// Progress is how far a run has come.
type Progress struct {
	Phase    string
	Segments int64 // copied by this run, as the others
	Chunks   int64 // of snapshots
	Views    int64
}

// Report is what a run has done. Durations are in seconds.
type Report struct {
	Copy     string   `json:"copy"`
	From     string   `json:"from"`
	To       string   `json:"to"`
	Switched bool     `json:"switched"` // the target is the shop
	Already  bool     `json:"already"`  // an earlier run had switched; this one saw it through
	Segments int64    `json:"segments"` // copied by this run, as the others
	Chunks   int64    `json:"chunks"`
	Pages    int64    `json:"pages"` // of catalogues
	Views    int64    `json:"views"`
	Lists    int64    `json:"lists"`
	Missing  []string `json:"missing"` // keys that the source names and does not have, the first few
	// Digests are, by service/shard, SHA-256 over the source's segments that this run copied, for an archive of what was
	// moved; a run that was resumed has the rest only. That both stores are equal is in Services.
	Digests   map[string]string  `json:"digests"`
	Passes    int                `json:"passes"`
	CopySecs  float64            `json:"copy_seconds"`  // until the pause
	PauseSecs float64            `json:"pause_seconds"` // from closing the first shard to the target being open
	Services  map[string]Account `json:"services"`      // what both stores came to, equally
}

// totals are counted by all shards at once.
type totals struct {
	segments, chunks, pages, views, lists atomic.Int64
	appended                              atomic.Uint64 // segments of our own

	mu      sync.Mutex
	phase   string
	lost    []string
	digests map[string][sha256.Size]byte
}

// missing takes note of a key that is named and not there.
func (t *totals) missing(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lost) < maxNamedMissing && !slices.Contains(t.lost, key) {
		t.lost = append(t.lost, key)
	}
}

// digest adds segments to the shard's chain.
func (t *totals) digest(service string, shard int, documents []document) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.digests == nil {
		t.digests = map[string][sha256.Size]byte{}
	}
	name := service + "/" + strconv.Itoa(shard)
	for _, d := range documents {
		was := t.digests[name]
		t.digests[name] = sha256.Sum256(append(was[:], d.value...))
	}
}

func (t *totals) enter(phase string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase = phase
}

// tell reports the progress.
func (c *Copier) tell() {
	if c.cfg.Progress == nil {
		return
	}
	c.totals.mu.Lock()
	phase := c.totals.phase
	c.totals.mu.Unlock()
	c.cfg.Progress(Progress{Phase: phase, Segments: c.totals.segments.Load(), Chunks: c.totals.chunks.Load(), Views: c.totals.views.Load()})
}

// report sums up.
func (c *Copier) report(r record, passes int, copying, pause time.Duration) Report {
	t := &c.totals
	t.mu.Lock()
	defer t.mu.Unlock()
	out := Report{
		Copy: r.Copy, From: r.From, To: r.To, Segments: t.segments.Load(), Chunks: t.chunks.Load(), Pages: t.pages.Load(),
		Views: t.views.Load(), Lists: t.lists.Load(), Missing: slices.Clone(t.lost), Digests: map[string]string{}, Passes: passes,
		CopySecs: copying.Seconds(), PauseSecs: pause.Seconds(), Services: map[string]Account{},
	}
	for name, sum := range t.digests {
		out.Digests[name] = hex.EncodeToString(sum[:])
	}
	return out
}
