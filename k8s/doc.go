// Package k8s holds the manifests of the shop for Kubernetes, to be built with kustomize, and the tests that keep them right. The
// checks are in package check; what a real API server, Dapr's own control plane and a real sidecar say is in cluster.
//
//	base/        what every shop has: shop once, app for each service, named by its ServiceAccount; split and one join them
//	components/  what a shop may have besides: tracing, a Redis, the sandbox, examples of what stands before the gateway
//	overlays/    what is applied: kubectl apply -k k8s/overlays/one
package k8s
