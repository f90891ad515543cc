package overload

import (
	"net/http"
	"net/netip"
	"strings"
)

// proxies are the networks whose word about an address is believed.
type proxies []netip.Prefix

func parseProxies(texts []string) proxies {
	var p proxies
	for _, text := range texts {
		if prefix, err := netip.ParsePrefix(text); err == nil { // Config.Check names the others
			p = append(p, prefix.Masked())
		}
	}
	return p
}

func (p proxies) trust(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// address is who asks: the connection's other end or, where that is a trusted proxy, the last address in X-Forwarded-For that
// is none. What is to the left of it was written by strangers. The zero address: not known.
func (p proxies) address(r *http.Request) netip.Addr {
	from := parseAddress(r.RemoteAddr)
	if len(p) == 0 || !p.trust(from) {
		return from
	}
	lists := r.Header["X-Forwarded-For"]
	for i := len(lists) - 1; i >= 0; i-- {
		for rest := lists[i]; rest != ""; {
			var one string
			if cut := strings.LastIndexByte(rest, ','); cut >= 0 {
				rest, one = rest[:cut], rest[cut+1:]
			} else {
				rest, one = "", rest
			}
			a := parseAddress(strings.TrimSpace(one))
			if !a.IsValid() {
				return from // the proxy before it is as far as we know
			}
			if from = a; !p.trust(a) {
				return from
			}
		}
	}
	return from
}

// parseAddress reads an address with or without a port.
func parseAddress(text string) netip.Addr {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
