// Package bench compares sidecart with what people would use instead, on one machine in one run: scripts/bench.
//
// A benchmark (see Benchmarks) is some contenders under the same load. They take turns, A B C A B C, each alone on the machine, from
// an empty store, so that what else happens on the machine meets all of them; a figure is the median of its rounds, and a
// ratio is the median of the ratios within each round. The load comes from a process of its own (Load), which talks to this one in
// lines of JSON. CPU time is read from /proc, for every process of a contender and for the load apart, so it needs Linux.
//
// The closed loop (so many clients, each waits for its answer) finds capacity. The open loop sends on a schedule whatever the
// answers do, and times each request from the moment it was due, sent late or never: a stall counts for everybody who would have come
// meanwhile (Gil Tene's "coordinated omission" is to leave them out).
//
// After each turn the books are compared with what clients were told (Judge): every process of sidecart's services is killed and
// started first, so that only what is in the store counts. A turn that oversold, lost or invented anything has no figures.
package bench
