// Package gateway is the one part of sidecart that listens to the public. It owns no data.
//
// In: HTTP requests of anybody. Out: calls to the services, by the paths of their contracts; one OpenAPI document
// merged from those contracts (/openapi.json), the same for people (/docs), and the operators' view of all services
// (/v1/ops/…).
//
// Nothing is reachable but what a contract names: the gateway asks every service for its contract, and a path
// that is in none of them is a 404, whatever routes a service has beside. Bodies, headers, time and the number of
// requests in flight are bounded; headers that belong to one connection or to our own machinery are taken off in
// both directions; an answer that is not our service's own never gets out. A change that a page of another site
// made a browser ask for is refused (403, cross_origin).
//
// When something fails: a service that cannot be reached is a 503 with Retry-After, code outcome_unknown if the
// request may have changed something. A service whose contract has not been learned yet makes the gateway not
// ready; if that lasts, it starts without, and answers 503 instead of 404 to paths that it does not know.
package gateway
