// Package inventoryapi is what other services may import of inventory: the events of its journal and the bodies of
// its internal routes. A hold is the stock of one order: its id is the order's id.
//
// Followers: order (HoldLost: the order was paid but its stock is gone, so it is cancelled and refunded).
package inventoryapi
