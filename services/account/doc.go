// Package account knows who may sign in: accounts of a tenant by e-mail address, their passwords, roles and sessions.
//
// In: sign-up, sign-in, refresh, sign-out, a new password, roles that an operator gives. Out: access tokens of ten minutes that
// the gateway verifies with the public keys served here (package identity), and events for whoever follows (accountapi).
//
// An account is found by tenant and normalized address; its subject is a random UUID that other services know it by. A
// sign-in opens a session. A session has a chain of refresh tokens, one after the other: the newest is good; the one before it
// gets the same answer again for half a minute, because an answer may be lost; any older one is a copy in the wrong
// hands, and ends the session. No token is stored: a refresh token is an HMAC of session and generation.
//
// Passwords are hashed with argon2id, two at a time; the hash is sealed with a key of the key set before it becomes an event, so
// neither the store nor the broker nor a backup has anything that could be guessed against. Whoever fails to sign in too often
// must wait, but not the account's owner on a device that has signed in before (guard.go).
//
// What a failure does: without its keys, which come from the component account-secrets through the sidecar, the service is not ready. A
// command that is repeated gives the first answer. While the service is away nobody signs in, and tokens that were given hold to
// their end.
package account
