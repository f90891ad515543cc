package gateway

import (
	"log/slog"
	"net/http"

	"github.com/sidecart/sidecart/services/gateway/bridge"
	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/inventory/inventorypb"
	"github.com/sidecart/sidecart/services/order/orderpb"
)

// newGRPC makes the server that takes gRPC calls to the public handler: each goes through the whole pipeline as the request that it is.
func newGRPC(cfg Config, door http.Handler, log *slog.Logger) (*bridge.Server, error) {
	bindings, err := bridge.Bind(inventorypb.File_inventory_inventorypb_inventory_proto, orderpb.File_order_orderpb_order_proto)
	if err != nil {
		return nil, err
	}
	return bridge.NewServer(bridge.Config{MaxMessageBytes: int(cfg.MaxBodyBytes), CallTimeout: cfg.AnswerWithin}, bindings, door, log), nil
}

// PublicGRPC implements host.PublicGRPC.
func (s *Service) PublicGRPC() (string, host.Server) {
	if s.grpc == nil { // and not a host.Server that holds nil
		return "", nil
	}
	return s.cfg.GRPCAddress, s.grpc
}
