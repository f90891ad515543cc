// Package host runs a set of services as one Dapr app: one app port beside one sidecar, each service's routes
// under its name, one subscription for every topic that any of them follows.
//
// It owns placement. A service calls another by http://{service}/…; the host's Client hands the request to the
// other's handler when it runs here and to the sidecar otherwise. Nothing a service says or stores depends on which.
//
// In: requests and events from the sidecar (loopback, with a token), and the services' factories. Out: a process
// that either runs every one of its services or ends with the error of the one that could not go on. A sidecar that
// is not there yet delays readiness and nothing else.
package host
