// Package matrix is the table of the swap matrix (component sets × what they passed) and its place in docs/component-sets.md.
package matrix

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
)

// Markers enclose the table in the page; what is between them belongs to the test run.
const (
	Begin = "<!-- matrix:begin -->"
	End   = "<!-- matrix:end -->"
)

// base is the set whose speed is 1.
const base = "embedded"

// Table collects what the cells found. It is safe for concurrent use.
type Table struct {
	mu       sync.Mutex
	order    []string
	rows     map[string]*row
	binaries map[string]string // cell → hash
	notes    []string
}

type row struct {
	servers, conformance, skipped string
	cells                         map[string]string // by placement
	perSecond                     float64
}

// New makes an empty Table.
func New() *Table { return &Table{rows: map[string]*row{}, binaries: map[string]string{}} }

// with runs change on the row of a set, a new one at its first mention.
func (t *Table) with(set string, change func(*row)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rows[set]
	if r == nil {
		r = &row{cells: map[string]string{}}
		t.rows[set], t.order = r, append(t.order, set)
	}
	change(r)
}

// Servers says what the set ran on, with versions.
func (t *Table) Servers(set, text string) { t.with(set, func(r *row) { r.servers = text }) }

// Skip says why a set was not run.
func (t *Table) Skip(set, why string) { t.with(set, func(r *row) { r.skipped = why }) }

// Cell says how a set fared in a placement.
func (t *Table) Cell(set, placement string, journeys, of int, killed int, passed bool) {
	text := fmt.Sprintf("%d of %d journeys, %d kills", journeys, of, killed)
	if !passed {
		text = "FAILED: " + text
	}
	t.with(set, func(r *row) { r.cells[placement] = text })
}

// Conformance says what the suite found of the set's store and broker.
func (t *Table) Conformance(set, text string) { t.with(set, func(r *row) { r.conformance = text }) }

// Speed says how many orders a second the set took.
func (t *Table) Speed(set string, perSecond float64) {
	t.with(set, func(r *row) { r.perSecond = perSecond })
}

// Binary says the hash of the program that ran in a cell.
func (t *Table) Binary(set, placement, hash string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.binaries[set+"/"+placement] = hash
}

// Note adds a sentence below the table.
func (t *Table) Note(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notes = append(t.notes, text)
}

// Binaries are the different hashes of all cells; one, if every cell ran the same program.
func (t *Table) Binaries() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var hashes []string
	for _, hash := range t.binaries {
		if !slices.Contains(hashes, hash) {
			hashes = append(hashes, hash)
		}
	}
	slices.Sort(hashes)
	return hashes
}

// String is the table in Markdown.
func (t *Table) String() string {
	binaries := t.Binaries()
	t.mu.Lock()
	defer t.mu.Unlock()
	placements := t.placements()
	header := append([]string{"set", "servers"}, placements...)
	header = append(header, "conformance", "orders/s against embedded")
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(header)
	line(slices.Repeat([]string{"---"}, len(header)))
	for _, set := range t.order {
		r := t.rows[set]
		if r.skipped != "" {
			line(append([]string{set, "not run: " + r.skipped}, slices.Repeat([]string{""}, len(header)-2)...))
			continue
		}
		cells := []string{set, r.servers}
		for _, p := range placements {
			cells = append(cells, orDash(r.cells[p]))
		}
		line(append(cells, orDash(r.conformance), t.ratio(r)))
	}
	fmt.Fprintf(&b, "\nThe program `sidecart` in every cell: sha256 %s.\n", strings.Join(binaries, ", "))
	for _, note := range t.notes {
		fmt.Fprintf(&b, "%s\n", note)
	}
	return b.String()
}

func (t *Table) placements() (names []string) {
	for _, r := range t.rows {
		for p := range r.cells {
			if !slices.Contains(names, p) {
				names = append(names, p)
			}
		}
	}
	slices.Sort(names)
	return names
}

func (t *Table) ratio(r *row) string {
	b := t.rows[base]
	if r.perSecond == 0 || b == nil || b.perSecond == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.0f)", r.perSecond/b.perSecond, r.perSecond)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Write puts the table between the markers of a page, which must have each once.
func (t *Table) Write(page string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("matrix: %w", err)
	}
	if bytes.Count(text, []byte(Begin)) != 1 || bytes.Count(text, []byte(End)) != 1 {
		return fmt.Errorf("matrix: %s must have each of %s and %s once", page, Begin, End)
	}
	before, rest, _ := bytes.Cut(text, []byte(Begin))
	_, after, found := bytes.Cut(rest, []byte(End))
	if !found {
		return fmt.Errorf("matrix: in %s the marker %s comes before %s", page, End, Begin)
	}
	out := slices.Concat(before, []byte(Begin+"\n"+t.String()), []byte(End), after)
	return os.WriteFile(page, out, 0o644)
}
