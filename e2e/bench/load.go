package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Bounds of the histograms: a microsecond to two minutes, with three digits.
const (
	maxTookMicros = 120_000_000
	tookDigits    = 3
)

// Plan is a load, as the process that makes it is told: one JSON document on its standard input.
type Plan struct {
	Target Target `json:"target"`
	Pace   Pace   `json:"pace"`
}

// Report is what the load says, one JSON document a line: Event "begun" and "ended" at the ends of the window, then "done" with the
// rest filled in.
type Report struct {
	Event   string  `json:"event"`
	All     Tally   `json:"all"`
	Window  Tally   `json:"window"`
	Seconds float64 `json:"seconds"`
	Took    []byte  `json:"took"` // a compressed HdrHistogram of microseconds
	Late    []byte  `json:"late"` // the same of how late requests of an open loop were sent
}

// Load carries out the plan that it reads from in and reports to out. It is the whole work of the load's process, which writes nothing
// else to out.
func Load(in io.Reader, out io.Writer) error {
	var plan Plan
	if err := json.NewDecoder(in).Decode(&plan); err != nil {
		return fmt.Errorf("the plan of the load: %w", err)
	}
	shoot, closeAll, err := shots(plan.Target, plan.Pace.Clients)
	if err != nil {
		return err
	}
	defer closeAll()
	say := json.NewEncoder(out)
	event := func(name string) func() {
		return func() { _ = say.Encode(Report{Event: name}) } // who does not listen any more ends this process, too
	}
	run := Drive(plan.Pace, shoot, event("begun"), event("ended"))
	took, err := pack(run.Took)
	if err != nil {
		return err
	}
	late, err := pack(run.Late)
	if err != nil {
		return err
	}
	return say.Encode(Report{Event: "done", All: run.All, Window: run.Window, Seconds: run.Seconds, Took: took, Late: late})
}

func pack(times []time.Duration) ([]byte, error) {
	h := newTook()
	for _, d := range times {
		record(h, d)
	}
	packed, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encoding the waits: %w", err)
	}
	return packed, nil
}

func newTook() *hdrhistogram.Histogram { return hdrhistogram.New(1, maxTookMicros, tookDigits) }

// record enters a wait; one beyond the bounds counts as the bound.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d.Microseconds(), 1), maxTookMicros)) // fails only beyond the bounds
}

// unpack reads a histogram of a report.
func unpack(packed []byte) (*hdrhistogram.Histogram, error) {
	h, err := hdrhistogram.Decode(packed)
	if err != nil {
		return nil, fmt.Errorf("the waits that the load reported: %w", err)
	}
	return h, nil
}
