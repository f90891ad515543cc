// Package rules reads gateway.yaml, which says how the gateway chooses releases, limits, maps and aggregates, and follows its changes.
//
// In: a file, and where the component set has a configuration store named "configuration", that store's item gateway.yaml. The item
// wins while it is there and not empty, so that one change reaches every gateway; without it the file applies. Out: a File that was
// checked as a whole, given to every part of the gateway at once, and what operators are told about it (Status).
//
// Reading is strict: an unknown key, a wrong type, a value out of its bounds and a key that stands twice are faults, each with its
// line, column and path. All of them are reported together. The packages that own the sections check their own part.
//
// When something fails: a bad document is refused whole and what was in use stays, with a warning in the log, the gauge
// gateway_rules_refused at 1 and the faults in Status, until a good one comes. At the start a bad file is an error. A file or a
// store that cannot be read changes nothing.
package rules
