// Package errs holds the one error type that crosses borders in sidecart: between packages, between services,
// and out to callers. An Error has a stable public code, a message that is safe to show, and a cause that only
// logs see. The table in status.go is the only place where kinds meet HTTP.
package errs
