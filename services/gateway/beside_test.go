package gateway

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// beforeAccounts is a contract of a release that knew no roles.
const beforeAccounts = `
openapi: 3.0.3
info: {title: Before, version: 1.0.0}
paths:
  /v1/old: {get: {operationId: old, responses: {'200': {description: ok}}}}
`

// A shop that is upgraded while it sells has contracts without roles for as long as replicas of the last release answer for them.
func TestBesideTheReleaseBeforeAccounts(t *testing.T) {
	for _, beside := range []bool{true, false} {
		u := &upstreams{handlers: map[string]http.Handler{"shop": stub(beforeAccounts, nil), "bank": stub(guarded, nil)}}
		s := closedGateway(t, u, newSigner(t))
		s.cfg.Beside = beside
		if beside {
			assert.Equal(t, 200, ask(s, "GET", "/v1/old", "").Code, "as it is at the gateways beside this one")
		} else {
			problem(t, ask(s, "GET", "/v1/old", ""), 401, errs.CodeUnauthenticated)
		}
		for _, path := range []string{"/v1/mine", "/v1/silent", "/v1/ops/services"} {
			problem(t, ask(s, "GET", path, ""), 401, errs.CodeUnauthenticated)
		}
	}
}
