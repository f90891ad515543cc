// Package notifyapi is what other services may import of notify: the events of its journal, and the wire types of
// its contract. Nobody follows it yet. Queued and Restored hold personal data: not for logs.
package notifyapi
