package gateway

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/sidecart/sidecart/services/kit/errs"
)

const codeUnknownHost = "unknown_host"

// ownName refuses a request that was sent to a name which is not this shop's. A gateway that listens on this machine only is safe
// from the pages of other sites by their origin, until such a site lets its own name lead to this machine (DNS rebinding): to the
// browser its pages are then of the same origin. A gateway that others reach is asked by whatever name leads there, unless the
// rules list its names.
func (s *Service) ownName(x *exchange) error {
	names := s.file.Load().Hosts
	if len(names) == 0 && !s.loopback {
		return nil
	}
	asked := x.c.Request().Host
	if name, _, err := net.SplitHostPort(asked); err == nil {
		asked = name
	}
	asked = strings.ToLower(strings.TrimSuffix(strings.Trim(asked, "[]"), "."))
	if asked == s.hostname || namesThisMachine(asked) || slices.Contains(names, asked) {
		return nil
	}
	return errs.New(errs.Forbidden, codeUnknownHost, "this shop is not known by the name that was asked for; its names are listed as hosts in gateway.yaml")
}

// namesThisMachine tells whether somebody who asked for this name or address asked his own machine: browsers take every name below
// localhost for that without asking anybody (RFC 6761, 6.3). A program that calls such a name may be led elsewhere: see
// identity's checkAddress, which does not take them.
func namesThisMachine(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}
