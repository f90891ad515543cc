// Package components reads component sets and says what is wrong with them, without a sidecar, a store or an account.
//
// A component set is a folder with one Dapr Component file for each thing that sidecart leaves to its sidecars: state,
// pubsub, mail, sms, payment-provider, and the secret store that the others take addresses and passwords from. Every set
// has the same names, so a team changes store or broker by choosing a folder.
//
// In: a folder. Out: a Set (Load), or what is to be mended (Check) as Findings with file, line and field. A set is
// compared with
//
//   - catalog.json, which a generator (runtime/cmd/catalog) makes from Dapr's own metadata: types, versions, fields,
//     allowed values, ways to authenticate;
//   - needs.go: which components the services ask for, and which apps must see them;
//   - stores.go: whether a type can create a key only if it does not exist, which is all that a commit is (docs/adr/0002),
//     and can hold our keys. Each entry says how that is known;
//   - brokers.go: settings by which a broker would lose messages, delete queues, or send each replica a copy.
//
// What a file says is checked, not what a server does: that is the conformance suite's part (package conformance).
//
// Nothing here has state or goroutines; everything may be called at any time from anywhere. No finding shows the value of
// a field that the catalog calls a secret.
package components
