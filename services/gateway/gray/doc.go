// Package gray decides which release of a service a request goes to, and takes traffic away from a release that does worse.
//
// In: the gray rules of gateway.yaml by operation, what is known of the caller, and how each request went. Out: the app id to ask,
// for metrics the stage and version, and for operators what each release gets, why, and what changed (Report).
//
// A route has up to three stages: stable, canary and preview. The first of these that says something decides: a header, the groups
// of the caller's token, lists of users, a percentage of users, weights. A user's percentage is decided by a hash, so it is the same
// in every process and after every restart, and raising a percentage moves nobody back (see place).
//
// A stage other than stable is judged on every route by itself, by its moving success rate and latency beside those of stable
// (see judge). Falling behind, it loses all of that route's traffic and earns it back by steps (see trust). Only a header still
// reaches it meanwhile: whoever sends one wants that release and no other, often to see what is wrong. Such requests are not judged,
// so that a stranger can neither bring a release down nor up. What is judged is each gateway process's own and does not outlive it.
//
// When something fails: Choose always gives an answer, stable if nothing else is right. A request is asked a second time, at stable,
// only where the first cannot have changed anything (see Choice.Elsewhere).
//
// All methods but Use are safe for concurrent use. Choose and Done together take below a microsecond and allocate nothing; a mutex is
// one stage's on one route.
package gray
