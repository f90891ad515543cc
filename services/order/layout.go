package order

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// Kinds of the archive's keys.
const (
	viewKind = "order"
	listKind = "customer"
)

// listOwner names whose list it is: the customer, with the tenant in front unless that is the shop's own, whose lists are then those
// of orders from before there were tenants. A name has no control character, so no two pairs are the same.
func listOwner(tenant, customer string) string {
	if tenant == "" {
		return customer
	}
	return tenant + "\x00" + customer
}

// Layout says where orders are that have left memory, and the lists of their customers.
func Layout() archive.Layout {
	return archive.Layout{
		Service: Name, Kind: viewKind, Lists: listKind,
		Archived: archive.Naming(func(e orderapi.Archived) []string { return e.OrderIDs }),
		Owner: func(doc jsontext.Value) (string, error) {
			var o struct {
				Customer string `json:"customer"`
				Tenant   string `json:"tenant"`
			}
			err := json.Unmarshal(doc, &o)
			return listOwner(o.Tenant, o.Customer), err
		},
	}
}
