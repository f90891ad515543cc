package bench

import (
	"fmt"
	"math"
	"strings"
)

// Phase is one load of a turn. The first of a turn must be a closed loop when others are multiples of what it finds.
type Phase struct {
	Label   string
	Clients int     // 0: as --clients says
	Times   float64 // open loop at so many times what the first phase served; 0: closed loop
	SKUs    int     // that the load is spread over; 0: one
	Open    int64   // reservations that must be open before it begins; they are made in a closed loop that is not measured
}

// Benchmark is contenders under the same load.
type Benchmark struct {
	Name, About string
	Long        bool     // only run when it is named
	Stock       int64    // units of each SKU
	Kind        string   // of requests; all but reservations go to a gateway, and who has none gets reservations
	Who         []string // names of contenders, or their beginnings up to the slash
	Phases      []Phase
	Heap        bool // the services' heap is measured after each phase, garbage collected
	Axis        Axis // of its chart; its X must not fall from phase to phase
	Goals       []Goal
}

// Axis is what a chart of throughput has below: its words and the value of a phase.
type Axis struct {
	Name string
	of   func(Phase) float64
}

// skus is how many SKUs a turn needs.
func (b Benchmark) skus() int {
	n := 1
	for _, p := range b.Phases {
		n = max(n, p.SKUs)
	}
	return n
}

// plenty is more than any run sells.
const plenty = 100_000_000

// openClients are connections of an open loop: so many requests can be under way before one is sent late.
const openClients = 1024

const capacity = "capacity"

// Benchmarks are all there are, in the order in which they are run.
func Benchmarks() []Benchmark {
	return []Benchmark{
		{
			Name: "reserve", About: "reservations of one hot SKU, straight at inventory, closed loop", Stock: plenty,
			Who:    []string{"sidecart", "nothing", "batch", "nothing-kit", "lua", "lua-default", "lua-idem", "postgres", "dapr"},
			Phases: []Phase{{Label: capacity}},
			Goals: []Goal{
				over("sidecart/redis", "nothing", 0.55, 0.70), over("sidecart/redis", "lua", 1.8, 2.2),
				over("sidecart/embedded", "nothing", 0.50, 0.65), over("sidecart/embedded", "lua", 1.5, 2.0),
				over("sidecart/redis", "dapr/redis", 8, 12), over("sidecart/embedded", "dapr/embedded", 8, 12),
				perWrite("sidecart/redis", 50, 90), perWrite("sidecart/embedded", 50, 90),
				told("sidecart/redis", "batch/redis"), told("sidecart/embedded", "batch/embedded"),
				told("batch/redis", "nothing"), told("batch/embedded", "nothing"), told("batch/redis", "lua"), told("batch/embedded", "lua"),
				told("sidecart/redis", "nothing-kit"), told("sidecart/redis", "lua-default"), told("sidecart/redis", "lua-idem"), told("sidecart/redis", "postgres"),
				told("sidecart/embedded", "nothing-kit"), told("sidecart/embedded", "lua-default"), told("sidecart/embedded", "lua-idem"), told("sidecart/embedded", "postgres"),
			},
		},
		{
			Name: "soldout", About: "the same when nothing is left; nothing answers as if there were", Stock: 0,
			Who: []string{"sidecart", "nothing"}, Phases: []Phase{{Label: capacity}},
			Goals: []Goal{over("sidecart/embedded", "nothing", 0.7, 0.9), over("sidecart/redis", "nothing", 0.7, 0.9)},
		},
		{
			Name: "orders", About: "orders of one line through the gateway, closed loop; nothing takes reservations", Stock: plenty, Kind: Orders,
			Who: []string{"sidecart", "nothing"}, Phases: []Phase{{Label: capacity}},
			Goals: []Goal{over("sidecart/embedded", "nothing", 0.15, 0.25), over("sidecart/redis", "nothing", 0.15, 0.25)},
		},
		{
			Name: "sales", About: "whole sales: an order of one line through the gateway, its payment, and the message that it is paid, closed loop", Stock: plenty, Kind: Sales,
			Who: []string{"sidecart", "workflow"}, Phases: []Phase{{Label: capacity}},
			Goals: []Goal{over("sidecart/embedded", "workflow/embedded", 10, 20), told("sidecart/redis", "workflow/embedded")},
		},
		{
			Name: "gateway", About: "orders of 250 bytes, answered by 600, through the whole gateway and through a bare reverse proxy, in front of the same upstream", Stock: plenty, Kind: Passages,
			Who:    []string{"gateway", "reverseproxy", "reverseproxy-pool"},
			Phases: []Phase{{Label: capacity}, {Label: "5×", Clients: openClients, Times: 5}},
			Goals: []Goal{
				over("gateway", "reverseproxy", 0.75, 0.85), goodput("gateway", "5×", 0.85, 0.95), goodput("reverseproxy", "5×", 0, 0),
				told("gateway", "reverseproxy-pool"), toldAt("gateway", "reverseproxy", "5×"),
			},
		},
		{
			Name: "latency", About: "reservations in an open loop at half of the capacity that the same turn found", Stock: plenty,
			Who:    []string{"sidecart", "nothing", "lua-idem", "postgres"},
			Phases: []Phase{{Label: capacity}, {Label: "half", Clients: openClients, Times: 0.5}},
			Goals:  []Goal{wait("sidecart/embedded", "half", 99, 25, 10), wait("sidecart/redis", "half", 99, 25, 10)},
		},
		{
			Name: "overload", About: "reservations in an open loop at twice and five times the capacity that the same turn found", Stock: plenty,
			Who:    []string{"sidecart"},
			Phases: []Phase{{Label: capacity}, {Label: "2×", Clients: openClients, Times: 2}, {Label: "5×", Clients: openClients, Times: 5}},
			Goals: []Goal{
				goodput("sidecart/embedded", "2×", 0.85, 0.95), goodput("sidecart/embedded", "5×", 0.85, 0.95),
				goodput("sidecart/redis", "2×", 0.85, 0.95), goodput("sidecart/redis", "5×", 0.85, 0.95),
			},
		},
		{
			Name: "crowd", About: "orders through the gateway in an open loop at twice and five times the capacity that the same turn found", Stock: plenty, Kind: Orders,
			Who:    []string{"sidecart"},
			Phases: []Phase{{Label: capacity}, {Label: "2×", Clients: openClients, Times: 2}, {Label: "5×", Clients: openClients, Times: 5}},
			Goals:  []Goal{goodput("sidecart/embedded", "2×", 0.85, 0.95), goodput("sidecart/embedded", "5×", 0.85, 0.95)},
		},
		{
			Name: "clients", About: "reservations against the number of clients, closed loop", Stock: plenty,
			Who:  []string{"sidecart", "nothing", "lua-idem", "postgres"},
			Axis: Axis{"clients, in doublings: 0 is 1, 4 is 16, 8 is 256", func(p Phase) float64 { return math.Log2(float64(p.Clients)) }},
			Phases: []Phase{
				{Label: "1", Clients: 1}, {Label: "4", Clients: 4}, {Label: "16", Clients: 16}, {Label: "64", Clients: 64}, {Label: "256", Clients: 256},
			},
		},
		{
			Name: "skus", About: "reservations spread over 1, 10 and 1,000 SKUs, closed loop", Stock: plenty,
			Who:    []string{"sidecart", "lua-idem", "postgres"},
			Axis:   Axis{"SKUs, in powers of ten: 0 is 1, 3 is 1,000", func(p Phase) float64 { return math.Log10(float64(p.SKUs)) }},
			Phases: []Phase{{Label: "1 SKU", SKUs: 1}, {Label: "10 SKUs", SKUs: 10}, {Label: "1,000 SKUs", SKUs: 1000}},
		},
		{
			Name: "open", About: "reservations while 0, 100,000 and 1,000,000 are open already, closed loop", Stock: plenty, Long: true,
			Who:  []string{"sidecart", "lua-idem"}, // PostgreSQL takes minutes to fill
			Axis: Axis{"open reservations, thousands", func(p Phase) float64 { return float64(p.Open) / 1000 }},
			Phases: []Phase{
				{Label: "0 open"}, {Label: "100,000 open", Open: 100_000}, {Label: "1,000,000 open", Open: 1_000_000},
			},
		},
		{
			Name: "shards", About: "reservations with 1, 2, 4 and 8 shards, of one SKU and spread over 1,000, closed loop", Stock: plenty, Long: true,
			Who: kindsOf(shardCounts, "shards"), Phases: fewAndMany,
		},
		{
			Name: "replicas", About: "reservations with 1, 2 and 3 replicas of inventory in the split placement, of one SKU and spread over 1,000, closed loop", Stock: plenty, Long: true,
			Who: kindsOf(replicaCounts, "replicas"), Phases: fewAndMany,
		},
		{
			Name: "memory", About: "what an open reservation takes of the services' heap", Stock: plenty, Long: true, Heap: true,
			Who: []string{"sidecart"}, Phases: beforeAndAfter,
			Goals: []Goal{heapEach("sidecart/embedded", "open reservation"), heapEach("sidecart/redis", "open reservation")},
		},
		{
			Name: "memory-sales", About: "what a sale takes of the services' heap until it is archived: its order, charge, messages and hold", Stock: plenty, Long: true, Heap: true, Kind: Sales,
			Who: []string{"sidecart"}, Phases: beforeAndAfter,
			Goals: []Goal{heapEach("sidecart/embedded", "sale"), heapEach("sidecart/redis", "sale")},
		},
	}
}

// The shards and replicas that are compared.
var (
	shardCounts   = []int{1, 2, 4, 8}
	replicaCounts = []int{1, 2, 3}
)

var fewAndMany = []Phase{{Label: "1 SKU", SKUs: 1}, {Label: "1,000 SKUs", SKUs: 1000}}

// The heap grows by what is kept from the end of the first of these phases to that of the second.
const (
	before = "before"
	after  = "after"
)

var beforeAndAfter = []Phase{{Label: before}, {Label: after}}

// kindOf is the kind of contender that is sidecart with so many of something.
func kindOf(n int, of string) string { return fmt.Sprintf("sidecart-%d-%s", n, of) }

func kindsOf(counts []int, of string) (kinds []string) {
	for _, n := range counts {
		kinds = append(kinds, kindOf(n, of))
	}
	return kinds
}

// choose gives the contenders of a benchmark.
func (b Benchmark) choose(all []Contender) []Contender {
	var out []Contender
	for _, who := range b.Who {
		for _, c := range all {
			kind, _, _ := strings.Cut(c.Name, "/")
			if c.Name == who || kind == who {
				out = append(out, c)
			}
		}
	}
	return out
}
