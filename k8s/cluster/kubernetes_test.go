package cluster_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/k8s/cluster"
)

// binEnv names the folder of the programs; scripts/test --k8s builds them.
const binEnv = "SIDECART_CLUSTER_BIN"

// world is one cluster with Dapr installed, which all tests have in turn.
type world struct {
	root   string // the repository
	bin    string
	server *cluster.Server
	node   *cluster.Node
	traces *collector
}

// TestKubernetes applies every overlay of k8s/ to a real API server beside Dapr's real control plane, and sells in those that need no cloud.
func TestKubernetes(t *testing.T) {
	w := newWorld(t)
	overlays, err := filepath.Glob(filepath.Join(w.root, "k8s", "overlays", "*", "kustomization.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, overlays)
	for _, file := range overlays {
		o := readOverlay(t, w, filepath.Dir(file))
		t.Run(o.name, func(t *testing.T) {
			o.apply(t)
			defer o.remove(t)
			pods := o.pods(t)
			o.checkInjected(t, pods)
			o.makeSecrets(t, pods)
			placed := o.place(t, pods)
			o.checkHanded(t, placed)
			if o.sells() {
				o.start(t, placed)
				o.sell(t, placed)
			}
			if o.name == breaksOn {
				o.checkCalls(t, placed)
				o.checkTraces(t, placed, "gateway", "order", "inventory")
				o.checkBreaks(t, placed)
			}
		})
	}
	t.Run("five commands", w.fiveCommands)
}

// newWorld starts the cluster; it ends with the test.
func newWorld(t *testing.T) *world {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	w := &world{root: root, bin: os.Getenv(binEnv)}
	if w.bin == "" {
		t.Fatalf("%s is not set: run scripts/test --k8s, which builds the programs", binEnv)
	}
	begun := time.Now()
	dir, err := os.MkdirTemp("", "sidecart-cluster-")
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the logs of all programs are in %s", dir)
			return
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	w.server, err = cluster.StartServer(t.Context(), w.bin, dir)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, w.server.Stop())
	})
	w.node, err = cluster.NewNode(t.Context(), w.server, dir, w.images(t))
	require.NoError(t, err)
	w.traces = newCollector(t, w.node)
	require.NoError(t, cluster.InstallDapr(t.Context(), w.server, w.node, daprModule(t)))
	t.Cleanup(func() { require.NoError(t, w.node.Stop(context.WithoutCancel(t.Context()), "dapr-system")) })
	version, err := w.server.Client.Discovery().ServerVersion()
	require.NoError(t, err)
	t.Logf("Kubernetes %s and Dapr %s run after %.0f s", version.GitVersion, daprVersion(t), time.Since(begun).Seconds())
	return w
}

// images are the programs behind the images that the manifests name.
func (w *world) images(t *testing.T) map[string]cluster.Image {
	one := func(name string) cluster.Image {
		return cluster.Image{Files: map[string]string{"/" + name: filepath.Join(w.bin, name)}}
	}
	shop := one("sidecart")
	shop.Entrypoint = "/sidecart"
	images := map[string]cluster.Image{
		"ghcr.io/dapr/sentry": one("sentry"), "ghcr.io/dapr/operator": one("operator"), "ghcr.io/dapr/injector": one("injector"),
		"ghcr.io/dapr/daprd": one("daprd"), "ghcr.io/sidecart/sidecart": shop,
	}
	redis, err := exec.LookPath("redis-server")
	require.NoError(t, err, "scripts/servers installs it")
	images["docker.io/library/redis"] = cluster.Image{Files: map[string]string{"/redis-server": redis}, Entrypoint: "/redis-server", Dir: "/data"}
	return images
}

// daprModule is the folder of the Dapr module.
func daprModule(t *testing.T) string { return goList(t, "{{.Dir}}") }

func daprVersion(t *testing.T) string { return goList(t, "{{.Version}}") }

func goList(t *testing.T, format string) string {
	out, err := exec.Command("go", "list", "-m", "-f", format, "github.com/dapr/dapr").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// eventually waits for a condition, with a bound for a busy machine.
func eventually(t *testing.T, what string, ask func(context.Context) error) {
	t.Helper()
	if err := cluster.Eventually(t.Context(), time.Minute, ask); err != nil {
		require.NoError(t, fmt.Errorf("%s: %w", what, err))
	}
}
