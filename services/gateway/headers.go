package gateway

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

// names is a set of canonical header names.
type names map[string]bool

func namesOf(lists ...[]string) names {
	set := names{}
	for _, name := range slices.Concat(lists...) {
		set[name] = true
	}
	return set
}

// hopByHop headers end at this connection.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade",
}

// Headers that end here in one direction: what is made anew, or must not be believed from outside.
var (
	notForwarded = namesOf(hopByHop, []string{
		"Host", "Content-Length", "Accept-Encoding", "Expect", "Authorization", "Traceparent", "Tracestate", "Baggage", "Grpc-Trace-Bin",
		"B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags", httpx.HeaderTraceID,
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", httpx.HeaderRequestID,
	})
	notPassedBack = namesOf(hopByHop, []string{
		"Content-Length", "Content-Type", "Date", "Server", "Via", "Traceparent", "Tracestate", "Grpc-Trace-Bin", httpx.HeaderRequestID, httpx.HeaderTraceID,
	})
)

// internalPrefixes begin the names of headers that belong to our own machinery.
var internalPrefixes = []string{"Dapr-", "X-Dapr-", "Daprapi", "Sidecart-", "X-Sidecart-", "Metadata."}

// copyHeader adds what from has to into, but for what is to be left out, for our machinery, and for what Connection
// names. The values are shared: nobody changes them.
func copyHeader(into, from http.Header, leaveOut names) {
	var ofConnection []string
	for _, list := range from["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			ofConnection = append(ofConnection, textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)))
		}
	}
	for name, values := range from {
		if !leaveOut[name] && !isInternal(name) && !slices.Contains(ofConnection, name) {
			into[name] = values
		}
	}
}

func isInternal(name string) bool {
	return slices.ContainsFunc(internalPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}
