package sidecartest

import (
	"path/filepath"
	"strconv"
	"testing"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

func TestTheStoreOutlivesARestartAndWantsTheToken(t *testing.T) {
	d := Start(t, filepath.Join(t.TempDir(), "state.db"))
	require.NoError(t, d.Create(t.Context(), "k", []byte(`1`)))
	d.Restart()
	require.Eventually(t, func() bool { item, err := d.Get(t.Context(), "k"); return err == nil && item.Value != nil }, 20*time.Second, 5*time.Millisecond)

	api, err := dapr.NewClientWithPort(strconv.Itoa(d.GRPCPort))
	require.NoError(t, err)
	defer api.Close()
	_, err = api.GetState(t.Context(), sidecar.StateStore, "k", nil)
	require.Error(t, err)
	api.WithAuthToken(d.Token)
	item, err := api.GetState(t.Context(), sidecar.StateStore, "k", nil)
	require.NoError(t, err)
	require.Equal(t, `1`, string(item.Value))
}
