package check

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// root is the repository's.
var root = filepath.Join("..", "..")

// overlays are the folders that can be applied.
func overlays(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, "k8s", "overlays"))
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, "k8s/overlays/"+e.Name())
	}
	require.Subset(t, names, []string{
		"k8s/overlays/one", "k8s/overlays/redis", "k8s/overlays/postgres", "k8s/overlays/aws", "k8s/overlays/azure", "k8s/overlays/gcp", "k8s/overlays/aliyun",
	})
	return names
}

// examples are what an overlay may have besides: the gateway's port for gRPC, and what stands in front of it.
var examples = Edit{
	File: "k8s/overlays/redis/kustomization.yaml", Old: "  - ../../components/tracing\n",
	New: "  - ../../components/tracing\n  - ../../components/grpc\n  - ../../components/ingress\n  - ../../components/gateway-api\n",
}

// TestOverlays builds every overlay, decodes all of it, puts the sidecars in and holds every rule against it.
func TestOverlays(t *testing.T) {
	for _, overlay := range overlays(t) {
		t.Run(filepath.Base(overlay), func(t *testing.T) { sound(t, overlay) })
	}
	t.Run("redis with the examples", func(t *testing.T) {
		shop := sound(t, "k8s/overlays/redis", examples)
		assert.NotEmpty(t, shop.objects("Ingress"))
		assert.NotEmpty(t, shop.objects("HTTPRoute"))
	})
	t.Run("one with gRPC", func(t *testing.T) {
		sound(t, "k8s/overlays/one", Edit{"k8s/overlays/one/kustomization.yaml", "  - ../../components/sandbox\n", "  - ../../components/sandbox\n  - ../../components/grpc\n"})
	})
}

func sound(t *testing.T, overlay string, edits ...Edit) *Shop {
	t.Helper()
	shop, err := Load(root, overlay, edits...)
	require.NoError(t, err)
	for _, f := range Check(shop) {
		assert.Fail(t, f.String())
	}
	Tell(t.Output(), shop)
	return shop
}

// objects are those of a kind.
func (s *Shop) objects(kind string) []Object {
	var list []Object
	for _, o := range s.Objects {
		if o.Kind == kind {
			list = append(list, o)
		}
	}
	return list
}

// TestEverySetInTheClusterHasItsOverlay: a set that has a file for Kubernetes is in an overlay.
func TestEverySetInTheClusterHasItsOverlay(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "components", "*", "kustomization.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		set := filepath.Base(filepath.Dir(file))
		assert.DirExists(t, filepath.Join(root, "k8s", "overlays", set))
	}
}

// TestOneVersionOfDapr: the injector and the types of these checks are of the version that the shop's own sidecar is built from.
func TestOneVersionOfDapr(t *testing.T) {
	for _, file := range []string{"runtime/go.mod", "k8s/go.mod"} {
		text, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(t, err)
		found := regexp.MustCompile(`github\.com/dapr/dapr v(\S+)`).FindSubmatch(text)
		require.NotNil(t, found, file)
		assert.Equal(t, Version, string(found[1]), file)
	}
}
