package gateway

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/gateway/contracts"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// listContracts tells which contract of each service is in use, and why a newer one is not.
func (s *Service) listContracts(c echo.Context) error {
	return c.JSON(http.StatusOK, httpx.List[contracts.Status]{Items: s.book.Report()})
}

// acceptContract puts a refused contract into use although it breaks callers of the one before.
func (s *Service) acceptContract(c echo.Context) error {
	service, err := httpx.PathParam(c, "service")
	if err != nil {
		return err
	}
	var request struct {
		ETag string `json:"etag"`
	}
	if err := httpx.Decode(c, &request); err != nil {
		return err
	}
	if err := s.book.Accept(service, request.ETag); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
