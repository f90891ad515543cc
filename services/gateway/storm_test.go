package gateway

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// TestAFailureIsNoStorm is an incident: a service was slow, every gateway tried everything three times, and what had been too much became
// three times as much. Here a request is one request to the service; only one that a release on trial failed, and that is safe to
// repeat, is asked of the stable release, once. Who asked is told when to ask again.
func TestAFailureIsNoStorm(t *testing.T) {
	const requests = 100
	failures := map[string]http.HandlerFunc{
		"overloaded": func(w http.ResponseWriter, r *http.Request) {
			httpx.WriteProblem(w, r, errs.New(errs.Unavailable, errs.CodeUnavailable, "later"))
		},
		"broken":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"no problem": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	}
	for name, fail := range failures {
		for method, most := range map[string]int{http.MethodGet: 2, http.MethodPost: 1} {
			t.Run(name+" "+method, func(t *testing.T) {
				u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, fail)}}
				s := gatewayOf(t, u, nil)
				tried, _ := ruled(t, u, halfCanary)
				body := ""
				if method == http.MethodPost {
					body = `{"name":"x"}`
				}
				for range requests {
					assert.GreaterOrEqual(t, ask(s, method, "/v1/things", body).Code, 500)
				}
				assert.Len(t, u.to("shop"), requests, "without a release on trial")
				for range requests {
					assert.GreaterOrEqual(t, ask(tried, method, "/v1/things", body).Code, 500)
				}
				assert.LessOrEqual(t, len(u.to("shop")), requests+most*requests, "with one")
			})
		}
	}
	for name, fail := range map[string]error{"nothing was sent": httpx.ErrNotSent, "the connection broke": errors.New("reset")} {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			t.Run(name+" "+method, func(t *testing.T) {
				u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}
				s := gatewayOf(t, u, nil)
				u.fail = fail
				for range requests {
					w := ask(s, method, "/v1/things/1", "")
					assert.Equal(t, http.StatusServiceUnavailable, w.Code)
					assert.NotEmpty(t, w.Header().Get("Retry-After"))
				}
				assert.Len(t, u.to("shop"), requests)
			})
		}
	}
}
