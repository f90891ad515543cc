// Package check looks at what kustomize makes of an overlay, without a cluster: that every field of every object is one that the
// Kubernetes and Dapr APIs know, that Dapr's own injector puts the sidecar in with the arguments that it should have, and that
// the rules hold which keep a shop safe and running (Rules). A finding names the rule, the object and the file.
//
// What it cannot see is said by a real API server and control plane (k8s/cluster).
package check
