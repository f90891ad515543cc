// Package overload decides which requests the gateway lets in, so that a crowd costs the crowd and not the shop.
//
// It has three parts, each of which can be left out of gateway.yaml:
//
//   - Admit: a limit of requests in flight for each service behind the gateway, found by itself from the time that
//     answers take (limit.go). Over it a request is refused at once, never queued: those of low priority first, paying
//     last (Priority). This costs less than a microsecond and comes before the body is read and a token checked.
//   - Allow: token buckets, one for each client and one for each client and route, beside one for all of a route.
//   - the warm-up of a service that has just begun or come back: few requests until some were answered well, then
//     twice as many with each step (warmup.go).
//
// In: the sections limits and routes.*.{priority, limit, client} of gateway.yaml, which may change at any time; the
// moving state stays. Out: errs.Errors of kind Unavailable (503: the shop has too much to do) and TooMany (429: this
// client asks for too much), each with Retry-After.
//
// Memory is bounded: a limit for each service, and at most limits.max_clients buckets of 16 bytes; when they are all taken,
// the one that is fullest again is forgotten, so that a flood of addresses can at worst make buckets forget.
package overload
