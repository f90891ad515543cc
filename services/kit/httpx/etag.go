package httpx

import (
	"net/http"
	"strings"
)

// HasTag tells whether the caller has what the strong entity tag names (RFC 9110, 13.1.2): If-None-Match compares weakly.
func HasTag(h http.Header, tag string) bool {
	for _, list := range h["If-None-Match"] {
		for one := range strings.SplitSeq(list, ",") {
			if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
				return true
			}
		}
	}
	return false
}
