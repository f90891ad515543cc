package host

import (
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"
	"go.yaml.in/yaml/v3"
)

// serveContract serves a service's OpenAPI document as it is written and as JSON.
func serveContract(g *echo.Group, contract []byte) error {
	if contract == nil {
		return nil
	}
	var document map[string]any
	if err := yaml.Unmarshal(contract, &document); err != nil {
		return fmt.Errorf("not YAML: %w", err)
	}
	asJSON, err := json.Marshal(document, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	g.GET("/openapi.yaml", func(c echo.Context) error { return c.Blob(http.StatusOK, "application/yaml", contract) })
	g.GET("/openapi.json", func(c echo.Context) error { return c.Blob(http.StatusOK, "application/json", asJSON) })
	return nil
}
