package bench

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Setting is what a report says about how its figures came to be.
type Setting struct {
	Command string // as it was typed
	Machine string
	Commit  string
	Note    string  // of whoever ran it; may be empty
	Quick   bool    // too short to judge by
	Busy    float64 // load average above which no goal counts as met; 0: none
}

// shown are the percentiles of a table.
var shown = []float64{50, 90, 99, 99.9}

// Markdown is a result for people, on a terminal or in a page.
func (r Result) Markdown(s Setting) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s: %s. %d rounds, %d clients unless a phase says otherwise.", r.Name, r.About, r.Rounds, r.Clients)
	line("")
	line("`%s`, %s UTC, commit %s, %s. Load average at the beginnings of turns: %.1f to %.1f.", s.Command, r.Began.Format("2006-01-02 15:04"),
		cmp.Or(s.Commit, "unknown"), s.Machine, r.loads().Min, r.loads().Max)
	if s.Note != "" {
		line("%s", s.Note)
	}
	for _, who := range slices.Sorted(maps.Keys(r.Skipped)) {
		line("\nSkipped: %s: %s", who, r.Skipped[who])
	}
	line("")
	b.WriteString(r.speeds())
	line("\nOver all turns, warm-up included, what clients were told and what the stores had afterwards:\n")
	b.WriteString(r.books())
	if len(r.Goals) > 0 {
		line("")
		b.WriteString(r.goals(s))
	}
	for _, t := range r.Voids() {
		line("\nVOID: %s in round %d has no figures: %s", t.Who, t.Round+1, strings.ReplaceAll(t.Void.Error(), "\n", "; "))
	}
	return b.String()
}

// loads are the load averages at the beginnings of turns.
func (r Result) loads() Spread {
	var all []float64
	for _, t := range r.Turns {
		all = append(all, t.Load)
	}
	return SpreadOf(all)
}

// speeds has a row for each phase of each contender: medians of the rounds, with the extremes of what was served.
func (r Result) speeds() string {
	open := slices.ContainsFunc(r.Phases, func(p Phase) bool { return p.Times > 0 })
	rows := [][]string{{"contender", "load", "served a second (least to most)", "p50 ms", "p90", "p99", "p99.9", "CPU µs a request", "of the load", "by CPU alone", "MB"}}
	if open {
		rows[0] = append(rows[0], "sent late, p99 ms")
	}
	for _, c := range r.Who {
		for _, phase := range r.Phases {
			median := func(of func(Figures) float64) Spread { return SpreadOf(r.perRound(c.Name, phase.Label, of)) }
			served := median(served)
			row := []string{c.Name, phase.describe(r.Clients), "void"}
			if served.N > 0 {
				row[2] = fmt.Sprintf("%.0f (%.0f to %.0f)", served.Median, served.Min, served.Max)
			}
			for _, percent := range shown {
				row = append(row, number(median(func(f Figures) float64 { return f.Percentile(percent) })))
			}
			row = append(row, r.cpu(c.Name, phase.Label), number(median(func(f Figures) float64 { return f.LoadMicros })),
				number(median(Figures.ByCPU)), number(median(func(f Figures) float64 { return f.Memory / mb })))
			switch {
			case phase.Times > 0:
				row = append(row, number(median(func(f Figures) float64 { return float64(f.Late.ValueAtPercentile(99)) / 1000 })))
			case open:
				row = append(row, "-")
			}
			rows = append(rows, row)
		}
	}
	return table(rows)
}

const mb = 1 << 20

// maxParts is how many processes of a contender are told by name.
const maxParts = 4

// cpu is the median of the CPU time of a request, and of which processes it is when there are several.
func (r Result) cpu(who, phase string) string {
	all := SpreadOf(r.perRound(who, phase, func(f Figures) float64 { return f.CPUMicros }))
	said := number(all)
	parts := map[string]float64{}
	for _, t := range r.Turns {
		for _, f := range t.Figures {
			if t.Who != who || f.Phase != phase {
				continue
			}
			for name := range f.Parts {
				parts[name] = SpreadOf(r.perRound(who, phase, func(f Figures) float64 { return f.Parts[name] })).Median
			}
		}
	}
	if len(parts) < 2 {
		return said
	}
	names := slices.SortedFunc(maps.Keys(parts), func(a, b string) int {
		return cmp.Or(cmp.Compare(parts[b], parts[a]), cmp.Compare(a, b))
	})
	var list []string
	rest := 0.0
	for i, name := range names {
		if i < maxParts {
			list = append(list, name+" "+digits(parts[name]))
			continue
		}
		rest += parts[name]
	}
	if len(names) > maxParts {
		list = append(list, "others "+digits(rest))
	}
	return said + " (" + strings.Join(list, ", ") + ")"
}

// describe is the load of a phase.
func (p Phase) describe(clients int) string {
	clients = cmp.Or(p.Clients, clients)
	if p.Times > 0 {
		return fmt.Sprintf("open, %g × capacity", p.Times)
	}
	said := fmt.Sprintf("closed, %d clients", clients)
	if p.SKUs > 0 || p.Open > 0 {
		said += ", " + p.Label
	}
	return said
}

func (r Result) books() string {
	rows := [][]string{{"contender", "accepted", "sold out", "shed", "unknown", "unsent", "in the store", "verdict", "durability"}}
	for _, c := range r.Who {
		var told Tally
		var committed int64
		bad, turns, durability := 0, 0, ""
		for _, t := range r.Turns {
			if t.Who != c.Name {
				continue
			}
			turns++
			told.Add(t.Told)
			committed += t.Books.Committed()
			durability = cmp.Or(durability, strings.Join(append([]string{t.Durability}, t.Versions...), "; "))
			if t.Void != nil {
				bad++
			}
		}
		verdict, store := "conserved", fmt.Sprint(committed)
		if !c.Keeps {
			verdict, store = "-", "-"
		}
		if bad > 0 {
			verdict = fmt.Sprintf("VOID in %d of %d turns", bad, turns)
		}
		rows = append(rows, []string{c.Name, fmt.Sprint(told[Accepted]), fmt.Sprint(told[SoldOut]), fmt.Sprint(told[Shed]), fmt.Sprint(told[Unknown]),
			fmt.Sprint(told[Unsent]), store, verdict, durability})
	}
	return table(rows)
}

// goals has every goal, missed ones and those that could not be measured included.
func (r Result) goals(set Setting) string {
	rows := [][]string{{"goal", "median (least to most)", "floor", "target", "verdict", "by CPU alone"}}
	for _, g := range r.Goals {
		s := g.of(r)
		row := []string{g.What, "-", "-", "-", g.Verdict(s), "-"}
		if s.N > 0 {
			row[1] = fmt.Sprintf("%s%s (%s to %s)", digits(s.Median), g.Unit, digits(s.Min), digits(s.Max))
		}
		if g.Floor != 0 || g.Target != 0 {
			row[2], row[3] = digits(g.Floor)+g.Unit, digits(g.Target)+g.Unit
			switch {
			case s.N == 0:
			case set.Quick:
				row[4] = "too short to judge"
			case set.Busy > 0 && r.loads().Median > set.Busy:
				// Chance is no merit, but a miss is told whatever the reason.
				if row[4] != Missed {
					row[4] = "not judged"
				}
				row[4] += " (busy machine)"
			}
		}
		if g.byCPU != nil {
			row[5] = number(g.byCPU(r))
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// number is a median for a table.
func number(s Spread) string {
	if s.N == 0 || math.IsInf(s.Median, 0) {
		return "-"
	}
	return digits(s.Median)
}

// digits gives about three of them.
func digits(v float64) string {
	switch {
	case math.Abs(v) >= 99.5:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// table is Markdown that also reads well on a terminal. The first row is its head.
func table(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	write := func(row []string, fill string) {
		for i, cell := range row {
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(fill, widths[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
	}
	write(rows[0], " ")
	write(make([]string, len(rows[0])), "-")
	for _, row := range rows[1:] {
		write(row, " ")
	}
	return b.String()
}

// merged are the waits of a phase over all rounds; nil if there are none.
func (r Result) merged(who, phase string) *hdrhistogram.Histogram {
	var all *hdrhistogram.Histogram
	for _, t := range r.Turns {
		for _, f := range t.Figures {
			if t.Who != who || f.Phase != phase {
				continue
			}
			if all == nil {
				all = newTook()
			}
			all.Merge(f.Took)
		}
	}
	return all
}
