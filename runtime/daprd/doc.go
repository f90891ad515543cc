// Command daprd is the real Dapr runtime, built from its Go module with the
// components that sidecart's component sets use and no others.
//
// It owns the choice of components (components.go) and nothing else: flags,
// APIs, ports, health endpoints and exit behaviour are Dapr's own, so a
// released daprd of the same version can take its place anywhere. In three
// places ours does more: bindings.smtp has another mailer (package mail),
// pubsub.jetstream is contrib's with a fault taken out (package jetstream), and
// most brokers may be away when the sidecar starts (package latebroker); their
// docs say what to do with a released daprd instead.
//
// In: Dapr's command line (`daprd --help`), component and configuration YAML,
// and the environment. Out: Dapr's HTTP and gRPC APIs on the configured ports,
// a log on stdout.
//
// Failure: bad flags, an unknown component type or a component that does not
// initialise end the process with a non-zero status and one fatal line in the
// log. SIGTERM and SIGINT shut it down gracefully within
// --dapr-graceful-shutdown-seconds; SIGHUP reloads it in place.
//
// Why not github.com/dapr/dapr/cmd/daprd/app: it insists on a build tag that
// compiles every component in, which is several times the build time and size.
package main
