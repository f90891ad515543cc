// Package vitals watches the process itself: its share of the processors and of the memory that it may use, its pauses for garbage
// collection, its goroutines. Each signal has a warning and a danger level; a level changes only after several looks in a row
// (hysteresis), and every change is a line in the log and a metric.
//
// In: what Linux and the Go runtime tell (Reader). Out: levels, metrics, and whether the process asks to be left alone for a while
// (Ready). It never says that the process should be killed: a restart makes an overload worse, because whoever is left gets the load
// and the new one has to start.
//
// Unhealthy is a process whose CPU or memory is in danger, or whose pauses and goroutines both are. What follows from that is to be
// chosen (Config.Leave). On a machine of two processors a flash sale is CPU in danger, and that is what the machine is for; a single
// gateway that took itself out of service for it would be the outage. So by default danger is shown and nothing more. Where there are
// several replicas, one may leave: but all of them are in danger at the same moment, so each may do so only in its turn (see turn).
// Otherwise the first to leave would bring the others down one after another: mass deregistration.
//
// Where a signal cannot be read (no Linux, no cgroup), it is unknown and has no level.
package vitals
