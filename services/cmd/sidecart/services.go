package main

import (
	"slices"

	"github.com/sidecart/sidecart/services/account"
	"github.com/sidecart/sidecart/services/gateway"
	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/inventory"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/notify"
	"github.com/sidecart/sidecart/services/order"
	"github.com/sidecart/sidecart/services/payment"
)

// services is the table of what this binary can run: a name and how its part of the configuration makes it.
var services = []struct {
	name    string
	factory func(config) host.Factory
}{
	{"inventory", func(c config) host.Factory {
		return with(inventory.New, inventory.Config{Journal: c.journal()})
	}},
	{"order", func(c config) host.Factory {
		return with(order.New, order.Config{Journal: c.journal(), PayWithin: c.payWithin, ArchiveAfter: c.archiveAfter})
	}},
	{"payment", func(c config) host.Factory {
		return with(payment.New, payment.Config{Journal: c.journal()})
	}},
	{"notify", func(c config) host.Factory {
		return with(notify.New, notify.Config{
			Journal: c.journal(), MailFrom: c.mailFrom, MailConcurrency: c.mailsAtOnce, ArchiveAfter: c.archiveAfter,
		})
	}},
	{"account", func(c config) host.Factory {
		return with(account.New, account.Config{Journal: c.journal()})
	}},
	{"gateway", func(c config) host.Factory {
		return with(gateway.New, gateway.Config{Beside: c.segmentVersion == journal.SegmentVersion, Address: c.gatewayAddr, GRPCAddress: c.gatewayGRPC, RulesPath: c.gatewayRules, Access: c.access})
	}},
}

// with fits a service's own New to what the host calls.
func with[C any, S host.Service](make func(C, host.Deps) (S, error), cfg C) host.Factory {
	return func(d host.Deps) (host.Service, error) { return make(cfg, d) }
}

func (c config) journal() journal.Config {
	return journal.Config{
		Shards: c.shards, SnapshotEverySegments: uint64(c.snapshotEach), TrimAfter: c.trimAfter, StaleAfter: c.staleAfter,
		SegmentVersion: c.segmentVersion,
	}
}

// names are those of the table, in its order.
func names() []string {
	all := make([]string, len(services))
	for i, s := range services {
		all[i] = s.name
	}
	return all
}

// factories makes the factories of the chosen services.
func factories(c config, chosen []string) []host.Named {
	var list []host.Named
	for _, s := range services {
		if slices.Contains(chosen, s.name) {
			list = append(list, host.Named{Name: s.name, New: s.factory(c)})
		}
	}
	return list
}
