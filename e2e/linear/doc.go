// Package linear judges whether what clients of inventory saw could have come from one counter that does one thing at a
// time: linearizability, checked with porcupine (github.com/anishathalye/porcupine) after Herlihy and Wing, "Linearizability:
// a correctness condition for concurrent objects", 1990.
//
// In: a History of calls with the instants at which they began and were answered. Out: nil, or an error that names the
// SKU and the file with porcupine's picture of it.
//
// The model of a SKU is a bounded counter keyed by reservation id: units are available until a reservation takes them,
// a reservation is confirmed or released at most once, a repeat of a reservation changes nothing, and reading tells the exact
// figures, the count of changes included. A call that nobody answered may have taken effect at any later moment or never, so
// it stays open to the end of the history.
package linear
