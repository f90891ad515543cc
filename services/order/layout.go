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

// Layout says where orders are that have left memory, and the lists of their customers.
func Layout() archive.Layout {
	return archive.Layout{
		Service: Name, Kind: viewKind, Lists: listKind,
		Archived: archive.Naming(func(e orderapi.Archived) []string { return e.OrderIDs }),
		Owner: func(doc jsontext.Value) (string, error) {
			var o struct {
				Customer string `json:"customer"`
			}
			err := json.Unmarshal(doc, &o)
			return o.Customer, err
		},
	}
}
