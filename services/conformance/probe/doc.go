// Package probe runs the conformance suite on a component set as a shop would meet it: through two real sidecars, one of
// them with an app, that are killed and started again in between.
//
// In: a folder of component files and a daprd. Out: the suite's Verdict, or an error that says in daprd's words why there
// are no sidecars on it. A broker that daprd refuses is a failed property; a store that it refuses is an error, because
// nothing is known of it then.
//
// The store and the broker must be running; the component files find them as they do in a shop, by SIDECART_* of this
// process's environment. Everything that is started here has ended when Run returns.
package probe
