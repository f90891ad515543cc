// Package daprd runs a Dapr sidecar on a component set for a command's own use: to test a set, or to read and write a
// set's store without a shop.
//
// In: a folder of component files, of which the sidecar is given those that are asked for and every secret store, without
// their scopes, so that it can have an app id of its own. Out: a ready Process with a Client, or daprd's own words for why
// there is none, with what looks like a secret taken out.
//
// Everything listens on loopback, at free ports, and the sidecar and its app show each other tokens made for this run. The
// process and its folder end with Stop; on Linux the kernel ends the process also when this one is killed. What the
// component files read from the environment is read from this process's environment.
package daprd
