package cluster_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOneDapr: the control plane, the sidecar and what the manifests call them are of one version.
func TestOneDapr(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join("..", "..", "runtime", "go.mod"))
	require.NoError(t, err)
	assert.Contains(t, string(mod), "github.com/dapr/dapr "+daprVersion(t)+"\n")
	manifests, err := os.ReadFile("dapr.yaml")
	require.NoError(t, err)
	tags := regexp.MustCompile(`ghcr\.io/dapr/\w+:([\w.-]+)`).FindAllStringSubmatch(string(manifests), -1)
	require.NotEmpty(t, tags)
	for _, tag := range tags {
		assert.Equal(t, strings.TrimPrefix(daprVersion(t), "v"), tag[1], tag[0])
	}
}

// TestOneKubernetes: every part of Kubernetes is of the version of the whole.
func TestOneKubernetes(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join("controlplane", "go.mod"))
	require.NoError(t, err)
	whole := regexp.MustCompile(`\tk8s\.io/kubernetes v1\.(\S+)`).FindStringSubmatch(string(mod))
	require.NotNil(t, whole)
	parts := regexp.MustCompile(`(k8s\.io/\S+) => (\S+) (\S+)`).FindAllStringSubmatch(string(mod), -1)
	require.NotEmpty(t, parts)
	for _, part := range parts {
		assert.Equal(t, part[1], part[2])
		assert.Equal(t, "v0."+whole[1], part[3], part[1])
	}
}
