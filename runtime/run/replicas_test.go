package run

import (
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReplicasHavePortsLogsAndNamesOfTheirOwn(t *testing.T) {
	s := newStack(t, runFile(t, []string{"broker"}, []string{"order", "notify", "order", "order"}, ""), func(o *Options) {
		o.AppEnv = map[string]map[string]string{"order": {"WHO": "all", "LAST": "no"}, "order-3": {"LAST": "yes"}}
	})
	ctx := deadline(t)
	require.NoError(t, s.Start(ctx))

	var names []string
	ports, logs := map[int]string{}, map[string]string{}
	for _, p := range s.Processes() {
		names = append(names, p.Name)
		assert.Empty(t, logs[p.Log], "the log %s is shared", p.Log)
		logs[p.Log] = p.Name
		for _, n := range []int{p.Ports.App, p.Ports.Internal, p.Ports.DaprHTTP, p.Ports.DaprGRPC, p.Ports.DaprInternalGRPC} {
			if n != 0 {
				assert.Empty(t, ports[n], "port %d is given twice", n)
				ports[n] = p.Name
			}
		}
	}
	assert.Equal(t, []string{"broker", "order", "order.daprd", "notify", "notify.daprd",
		"order-2", "order-2.daprd", "order-3", "order-3.daprd"}, names)

	urls := s.URLs()
	assert.Len(t, urls.App, 5)
	assert.Len(t, urls.Dapr, 4)
	for _, name := range []string{"order", "order-2", "order-3"} {
		app, _ := s.Process(name)
		sidecar, _ := s.Process(name + sidecarSuffix)
		assert.Equal(t, "order", app.App)
		assert.Equal(t, "order", sidecar.App)
		assert.Equal(t, app.URL, urls.App[name])
		assert.Equal(t, sidecar.URL, urls.Dapr[name])
		assert.Equal(t, localURL(app.Ports.Internal), urls.Internal[name])
		args := s.Command(name + sidecarSuffix)
		assert.Equal(t, "order", args[1+slices.Index(args, "--app-id")], "replicas are one app to Dapr")
		assert.Equal(t, "all", s.Env(name)["WHO"])
	}
	assert.Equal(t, "no", s.Env("order-2")["LAST"])
	assert.Equal(t, "yes", s.Env("order-3")["LAST"])
	assert.Empty(t, s.Env("notify")["WHO"])
}

func TestOneReplicaDiesAlone(t *testing.T) {
	s := newStack(t, runFile(t, nil, []string{"order", "order"}, ""), nil)
	ctx := deadline(t)
	require.NoError(t, s.Start(ctx))
	first, _ := s.Process("order")
	second, _ := s.Process("order-2")
	require.NoError(t, s.Kill("order-2", syscall.SIGKILL))
	require.NoError(t, s.Ready(ctx, "order-2"))
	again, _ := s.Process("order-2")
	assert.Equal(t, 1, again.Restarts)
	assert.NotEqual(t, second.PID, again.PID)
	assert.Equal(t, second.Ports, again.Ports)
	now, _ := s.Process("order")
	assert.Equal(t, first, now)
	require.NoError(t, s.Healthy(ctx, "order"))

	require.NoError(t, s.KillProcess(ctx, "order-2"))
	require.NoError(t, s.Ready(ctx), "one that is held down is not waited for")
	require.NoError(t, s.StartProcess(ctx, "order-2"))
}

func TestReplicate(t *testing.T) {
	f, err := Load(runFile(t, []string{"broker"}, []string{"order", "order-3"}, ""))
	require.NoError(t, err)
	require.NoError(t, f.Replicate("order", 2))
	require.NoError(t, f.Replicate("order", 2), "it has two already")
	require.NoError(t, f.Replicate("order", 1), "none is taken away")
	var names []string
	for _, a := range f.Apps {
		names = append(names, a.Name)
	}
	assert.Equal(t, []string{"broker", "order", "order-3", "order-2"}, names)
	last := f.Apps[3]
	assert.Equal(t, "order", last.ID)
	last.Env["FAKE"] = "other"
	assert.Equal(t, "process", f.Apps[1].Env["FAKE"], "a replica's env is its own")
	assert.ErrorContains(t, f.Replicate("order", 3), `"order-3"`)
	assert.ErrorContains(t, f.Replicate("broker", 2), "sidecar")
	assert.ErrorContains(t, f.Replicate("nobody", 2), `no app "nobody"`)
}
