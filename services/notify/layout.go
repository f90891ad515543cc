package notify

import (
	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
)

// viewKind is the kind of the archive's keys.
const viewKind = "order"

// Layout says where orders are that have left memory with all their messages.
func Layout() archive.Layout {
	return archive.Layout{
		Service: Name, Kind: viewKind,
		Archived: archive.Naming(func(e notifyapi.Archived) []string { return e.OrderIDs }),
	}
}
