// Package identity says who asks, and proves it.
//
// A Caller is who asks: a subject of a tenant with roles. At the public border the gateway makes it from an access token
// (Verifier); from there on it travels as four headers (Caller.Put, FromHeader), which services believe because only
// their sidecar can reach them and the gateway drops these headers when they come from outside.
//
// Tokens are JWTs (RFC 7519) in the shape of RFC 9068. Ours are signed by Keys, a set that the configuration names: the
// first key signs and all of them verify, so a rotation is two changes of the configuration (docs/accounts.md). The same
// set carries the secret that seals what the account service stores. Other issuers are believed as far as an Issuer of the
// gateway's rules says; their keys are found by OpenID Connect discovery.
//
// What a failure does: a token that is wrong in any way is errs.CodeUnauthenticated. Keys that cannot be fetched are
// errs.Unavailable while there are none; once there are, the last ones stay in use however long their issuer is away.
package identity
