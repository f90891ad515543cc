// Package journaltest is a state store in memory that fails on purpose, for tests of everything that stands on a
// journal. It owns no goroutine except those of late writes, which end by themselves.
//
// A Store holds the keys; each process of a test gets a Client of its own, which is a sidecar.State with its own
// faults and can be cut off as if the process or its sidecar had died. What a call suffers is decided by the
// seed, the operation, the key and how often that client has tried it, so a run repeats whatever the scheduler does
// between the calls. All time goes through timers, so that testing/synctest can run hours in an instant.
package journaltest
