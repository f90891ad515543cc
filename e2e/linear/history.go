package linear

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// checkWithin bounds the search of one SKU's history. What is not decided by then fails the check: it is no proof.
const checkWithin = time.Minute

// History is what the clients of many SKUs saw. It is safe for concurrent use.
type History struct {
	units int64 // that every SKU begins with
	began time.Time

	mu      sync.Mutex
	clients int
	bySKU   map[string][]porcupine.Operation
}

// NewHistory begins a history of SKUs that each begin with units.
func NewHistory(units int64) *History {
	return &History{units: units, began: time.Now(), bySKU: map[string][]porcupine.Operation{}}
}

// Client is one sequence of calls, each of which begins after the one before it was answered. It is not safe for
// concurrent use.
type Client struct {
	history *History
	number  int
}

// Client begins a new sequence of calls.
func (h *History) Client() *Client {
	c := &Client{history: h}
	c.renew()
	return c
}

// Do makes a call by do and records it. It drops what explains nothing: a reading without an answer, and a call of which do
// says, with sent false, that it cannot have changed anything.
func (c *Client) Do(call Call, do func() (answer Answer, sent bool)) {
	op := porcupine.Operation{ClientId: c.number, Input: call, Call: time.Since(c.history.began).Nanoseconds()}
	answer, sent := do()
	op.Output, op.Return = answer, time.Since(c.history.began).Nanoseconds()
	if answer.Unknown {
		if !sent || call.Op == Get {
			return
		}
		op.Return = math.MaxInt64
		// It may still be at work: the next call is another client's.
		defer c.renew()
	}
	c.history.mu.Lock()
	defer c.history.mu.Unlock()
	c.history.bySKU[call.SKU] = append(c.history.bySKU[call.SKU], op)
}

func (c *Client) renew() {
	c.history.mu.Lock()
	defer c.history.mu.Unlock()
	c.number = c.history.clients
	c.history.clients++
}

// Tally counts what is in a history.
type Tally struct{ SKUs, Calls, Unknown, SoldOut, Refused int }

// Tally counts.
func (h *History) Tally() Tally {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := Tally{SKUs: len(h.bySKU)}
	for _, ops := range h.bySKU {
		t.Calls += len(ops)
		for _, op := range ops {
			switch a := op.Output.(Answer); {
			case a.Unknown:
				t.Unknown++
			case a.Code == SoldOut:
				t.SoldOut++
			case a.Code != "":
				t.Refused++
			}
		}
	}
	return t
}

// Check looks for an order of each SKU's calls that explains all answers. The error names every SKU that has none, and
// the file in folder with the picture of it.
func (h *History) Check(folder string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var failures []error
	for sku, ops := range h.bySKU {
		failures = append(failures, h.check(sku, ops, folder))
	}
	return errors.Join(failures...)
}

func (h *History) check(sku string, ops []porcupine.Operation, folder string) error {
	m := model(h.units)
	verdict, info := porcupine.CheckOperationsVerbose(m, settle(ops), checkWithin)
	if verdict == porcupine.Ok {
		return nil
	}
	path := filepath.Join(folder, sku+".html")
	err := os.MkdirAll(folder, 0o750)
	if err == nil {
		err = porcupine.VisualizePath(m, info, path)
	}
	if err != nil {
		path = fmt.Sprintf("(no picture: %v)", err)
	}
	if verdict == porcupine.Unknown {
		return fmt.Errorf("%s: not decided within %s: %d calls, see %s", sku, checkWithin, len(ops), path)
	}
	return fmt.Errorf("%s: no order of its %d calls explains the answers, see %s", sku, len(ops), path)
}
