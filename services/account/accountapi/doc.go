// Package accountapi is what other services may know of account: its events, and what stands on the wire.
package accountapi
