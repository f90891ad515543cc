package linear

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// IDs is how many reservation ids a SKU's history may use: 0 to IDs-1. Few, so that repeats and races are frequent.
const IDs = 12

// Op is what a call asks for.
type Op uint8

// The calls of the contract that a reservation lives by, and reading.
const (
	Reserve Op = iota
	Confirm
	Release
	Get
)

func (o Op) String() string { return [...]string{"reserve", "confirm", "release", "get"}[o] }

// Call is one request about one SKU.
type Call struct {
	SKU string
	Op  Op
	ID  int // of the reservation; of no meaning to Get
}

// Figures are a SKU's accounts as a client reads them.
type Figures struct{ Available, Reserved, Sold, Version int64 }

// Answer is what became of a call.
type Answer struct {
	Unknown bool    // nobody answered, or the answer was that the outcome is unknown
	Code    string  // why it was refused; empty when it was done
	Figures Figures // of Get; of a refusal with sold_out only Available
}

// The refusals that the model knows.
const (
	SoldOut            = "sold_out"
	UnknownReservation = "unknown_reservation"
	AlreadyConfirmed   = "already_confirmed"
	AlreadyReleased    = "already_released"
)

// Quantity is how many units reservation id asks for.
func Quantity(id int) int64 { return int64(1 + id%3) }

type status byte

const (
	none status = iota
	reserved
	confirmed
	released
)

// counter is the whole state of a SKU: its figures follow from what became of each reservation.
type counter [IDs]status

func (c counter) figures(units int64) Figures {
	f := Figures{Available: units, Version: 1}
	for id, s := range c {
		switch q := Quantity(id); s {
		case reserved:
			f.Available, f.Reserved, f.Version = f.Available-q, f.Reserved+q, f.Version+1
		case confirmed:
			f.Available, f.Sold, f.Version = f.Available-q, f.Sold+q, f.Version+2
		case released:
			f.Version += 2
		}
	}
	return f
}

// step is what one call does to the counter, and the only answer it may get.
func (c counter) step(units int64, call Call) (counter, Answer) {
	at := &c[call.ID]
	figures := c.figures(units)
	switch {
	case call.Op == Get:
		return c, Answer{Figures: figures}
	case call.Op == Reserve && *at != none:
		return c, Answer{}
	case call.Op == Reserve && figures.Available < Quantity(call.ID):
		return c, Answer{Code: SoldOut, Figures: Figures{Available: figures.Available}}
	case call.Op == Reserve:
		*at = reserved
	case *at == none:
		return c, Answer{Code: UnknownReservation}
	case *at == confirmed:
		return c, Answer{Code: AlreadyConfirmed}
	case *at == released:
		return c, Answer{Code: AlreadyReleased}
	case call.Op == Confirm:
		*at = confirmed
	default:
		*at = released
	}
	return c, Answer{}
}

// model is the counter as porcupine wants it; every SKU begins with units.
func model(units int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return counter{} },
		Step: func(state, input, output any) (bool, any) {
			next, answer := state.(counter).step(units, input.(Call))
			got := output.(Answer)
			return got.Unknown || got == answer, next
		},
		Hash: func(state any) uint64 {
			hash := uint64(14695981039346656037) // FNV-1a
			for _, s := range state.(counter) {
				hash = (hash ^ uint64(s)) * 1099511628211
			}
			return hash
		},
		DescribeOperation: func(input, output any) string { return describe(input.(Call), output.(Answer)) },
		DescribeState:     func(state any) string { return state.(counter).describe(units) },
	}
}

func describe(call Call, answer Answer) string {
	what := call.Op.String()
	if call.Op != Get {
		what = fmt.Sprintf("%s %d (%d units)", what, call.ID, Quantity(call.ID))
	}
	switch {
	case answer.Unknown:
		return what + " → ?"
	case answer.Code == SoldOut:
		return fmt.Sprintf("%s → sold out, %d available", what, answer.Figures.Available)
	case answer.Code != "":
		return what + " → " + answer.Code
	case call.Op == Get:
		return fmt.Sprintf("%s → %+v", what, answer.Figures)
	}
	return what + " → done"
}

func (c counter) describe(units int64) string {
	ids := map[status][]string{}
	for id, s := range c {
		ids[s] = append(ids[s], fmt.Sprint(id))
	}
	list := func(s status) string { return strings.Join(slices.Clip(ids[s]), " ") }
	return fmt.Sprintf("%+v; reserved [%s], confirmed [%s], released [%s]", c.figures(units), list(reserved), list(confirmed), list(released))
}
