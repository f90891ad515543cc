package host

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"
	"go.yaml.in/yaml/v3"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

// serveContract serves a service's OpenAPI document as it is written and as JSON.
func serveContract(g *echo.Group, contract []byte) error {
	if contract == nil {
		return nil
	}
	var parsed map[string]any
	if err := yaml.Unmarshal(contract, &parsed); err != nil {
		return fmt.Errorf("not YAML: %w", err)
	}
	asJSON, err := json.Marshal(parsed, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	g.GET("/openapi.yaml", document("application/yaml", contract))
	g.GET("/openapi.json", document("application/json", asJSON))
	return nil
}

// document answers with body, or with 304 to who has it: the gateway asks every few seconds.
func document(contentType string, body []byte) echo.HandlerFunc {
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return func(c echo.Context) error {
		c.Response().Header().Set("ETag", tag)
		if httpx.HasTag(c.Request().Header, tag) {
			return c.NoContent(http.StatusNotModified)
		}
		return c.Blob(http.StatusOK, contentType, body)
	}
}
