// Package footprint measures how much memory a running stack uses, process by process.
//
// The measure is the proportional set size: a page that n processes share counts 1/n in each, so the sum is what the
// stack takes from the machine. It reads the runner's state file and /proc, so it needs Linux. A process that is down at
// the moment, or ends while it is measured, is left out; anything else that cannot be read is an error.
package footprint
