package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Every service must fit into one process with all others: names, routes, contracts and metrics of one registry.
func TestServicesFitTogetherInEveryPlacement(t *testing.T) {
	sets := [][]string{names()}
	for _, name := range names() {
		sets = append(sets, []string{name})
	}
	for _, set := range sets {
		beside, err := sidecar.New(sidecar.Config{GRPCPort: 1})
		require.NoError(t, err)
		_, err = host.New(host.Config{}, host.Outside{Sidecar: beside}, factories(config{}, set)...)
		require.NoError(t, err, "%v", set)
		require.NoError(t, beside.Close())
	}
}
