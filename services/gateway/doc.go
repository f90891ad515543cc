// Package gateway is the one part of sidecart that listens to the public. It owns no data.
//
// In: HTTP requests of anybody. Out: calls to the services, by the paths of their contracts; one OpenAPI document
// merged from those contracts (/openapi.json), the same for people (/docs), and the operators' view of all services
// (/v1/ops/…).
//
// Nothing is reachable but what a contract names (package contracts), whatever routes a service has beside. Every request goes
// through the same stages in the same order (pipeline.go): who asks, whether there is room, whether they may, whether it is
// as the contract says; then the service answers, in the release that the rules choose, and the answer is made to fit
// its terminal. A gRPC call is such a request (package bridge), and so is each part of a screen. What may change without a
// release stands in gateway.yaml (package rules). docs/gateway.md describes all of it, docs/adr/0015-gateway.md says why.
//
// Headers that belong to one connection or to our own machinery are taken off in both directions; an answer that is not our
// service's own never gets out.
//
// When something fails: a service that cannot be reached is a 503 with Retry-After, code outcome_unknown if the
// request may have changed something. A service whose contract has not been learned yet makes the gateway not
// ready; if that lasts, it starts without, and answers 503 instead of 404 to paths that it does not know.
package gateway
