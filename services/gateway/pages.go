package gateway

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/gateway/contracts"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// page answers with the gateway's own document at the request's path; found says that there is one.
func page(c echo.Context, set *contracts.Set) (found bool, err error) {
	r := c.Request()
	var show func(echo.Context, *contracts.Set) error
	switch r.URL.Path {
	case "/":
		show = showStart
	case "/docs":
		show = func(c echo.Context, set *contracts.Set) error { return showAsset(c, set.Page) }
	case "/openapi.json":
		show = func(c echo.Context, set *contracts.Set) error { return showAsset(c, set.OpenAPI) }
	default:
		return false, nil
	}
	c.SetPath(r.URL.Path)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return true, notAllowed(c, "GET, HEAD")
	}
	return true, show(c, set)
}

// showAsset answers with a document, or with 304 when the caller has it.
func showAsset(c echo.Context, a contracts.Asset) error {
	h := c.Response().Header()
	h.Set("ETag", a.ETag)
	h.Set(echo.HeaderCacheControl, "no-cache") // keep it, but ask whether it is still the same
	secure(h)
	body := a.Body.Encode(h, c.Request().Header.Get(echo.HeaderAcceptEncoding))
	if httpx.HasTag(c.Request().Header, a.ETag) {
		h.Del(echo.HeaderContentEncoding) // there is nothing to encode
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, a.ContentType, body)
}

// showStart tells a newcomer where to go, in JSON unless HTML is preferred.
func showStart(c echo.Context, set *contracts.Set) error {
	c.Response().Header().Set(echo.HeaderVary, echo.HeaderAccept)
	if strings.Contains(c.Request().Header.Get(echo.HeaderAccept), "text/html") {
		return showAsset(c, set.Start)
	}
	secure(c.Response().Header())
	return c.JSON(http.StatusOK, map[string]string{
		"name": "sidecart", "documentation": "/docs", "openapi": "/openapi.json", "operations": "/v1/ops/services",
	})
}

// secure says what a browser may do with a page of ours: show it.
func secure(h http.Header) {
	h.Set(echo.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set(echo.HeaderXContentTypeOptions, "nosniff")
	h.Set(echo.HeaderReferrerPolicy, "no-referrer")
}
