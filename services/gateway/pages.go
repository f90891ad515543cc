package gateway

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// page is the gateway's own document at a path; nil if there is none.
func (t *table) page(path string) echo.HandlerFunc {
	switch path {
	case "/":
		return index
	case "/docs":
		return serve(t.docs)
	case "/openapi.json":
		return serve(t.openAPI)
	}
	return nil
}

// serve answers with a document, or with 304 when the caller has it.
func serve(a asset) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("ETag", a.etag)
		h.Set(echo.HeaderCacheControl, "no-cache") // keep it, but ask whether it is still the same
		secure(h)
		for _, tag := range strings.Split(c.Request().Header.Get("If-None-Match"), ",") {
			if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == a.etag || tag == "*" {
				return c.NoContent(http.StatusNotModified)
			}
		}
		return c.Blob(http.StatusOK, a.contentType, a.body)
	}
}

// secure says what a browser may do with a page of ours: show it.
func secure(h http.Header) {
	h.Set(echo.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set(echo.HeaderXContentTypeOptions, "nosniff")
	h.Set(echo.HeaderReferrerPolicy, "no-referrer")
}

// index tells a newcomer where to go, in JSON unless HTML is preferred.
func index(c echo.Context) error {
	secure(c.Response().Header())
	c.Response().Header().Set(echo.HeaderVary, echo.HeaderAccept)
	if !strings.Contains(c.Request().Header.Get(echo.HeaderAccept), "text/html") {
		return c.JSON(http.StatusOK, map[string]string{
			"name": "sidecart", "documentation": "/docs", "openapi": "/openapi.json", "operations": "/v1/ops/services",
		})
	}
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, "index", nil); err != nil {
		return err
	}
	return c.HTMLBlob(http.StatusOK, page.Bytes())
}
