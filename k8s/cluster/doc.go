// Package cluster runs a real Kubernetes control plane (etcd, API server, controllers) and Dapr's real one (sentry, operator, injector)
// on one Linux machine without a container engine, and on them what k8s/ describes: scripts/test --k8s.
//
// Server is Kubernetes, dapr.go installs Dapr on it, and Node stands in for the nodes: it runs a pod's containers as the API server shows
// them, injected sidecar included, from programs of this machine (package sandbox). All of it is in a network of its own that is not
// reachable from outside, and ends with the test. Certificates, tokens and data are made anew each time.
//
// What is real: admission, Pod Security, the webhook, tokens bound to pods, identities from sentry, components from the operator over
// mutual TLS, access control between sidecars, the arguments, variables, volumes, users and read-only root folders of containers, probes
// by HTTP and TCP.
// What is not: there is no scheduler and no proxy, NetworkPolicies, resource limits and seccomp profiles are admitted but bind nobody, a
// claim for a volume is met by a folder, probes that run a command (the readiness of redis-server) are not asked, and images are the programs that scripts/up builds (scripts/image makes the image from the same).
//
// Everything in here is for tests; nothing of it may be imported by the product.
package cluster
