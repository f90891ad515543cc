package inventory

import (
	"strings"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
)

func unknownSKU(sku string) *errs.Error {
	return errs.Newf(errs.NotFound, inventoryapi.CodeUnknownSKU, "there is no SKU %q", sku).With("sku", sku)
}

func idReused(what string) *errs.Error {
	return errs.New(errs.Unprocessable, inventoryapi.CodeIDReused, "the id was used before for "+what)
}

// refuseLines words the refusal of a hold; nil when nothing is unknown or short. What does not exist comes first:
// no waiting for stock will help it.
func refuseLines(unknown []string, short []inventoryapi.Shortage) error {
	if len(unknown) > 0 {
		return errs.New(errs.Unprocessable, inventoryapi.CodeUnknownSKU, "there is no SKU "+strings.Join(unknown, ", ")).
			With(inventoryapi.MemberUnknownSKUs, unknown)
	}
	if len(short) > 0 {
		names := make([]string, len(short))
		for i, s := range short {
			names[i] = s.SKU
		}
		return errs.New(errs.Conflict, inventoryapi.CodeSoldOut, "not enough is available of "+strings.Join(names, ", ")).
			With(inventoryapi.MemberSKUs, short)
	}
	return nil
}
