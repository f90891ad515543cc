// Package security attacks a running shop at its gateway: every operation of the contract that the gateway publishes, for everybody who
// could ask, with good tokens, bad tokens and none. What must come out is the table of docs/security.md, which the tests read: an
// operation without a row there, or a row without an operation, fails.
package security
