package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var root = filepath.Join("..", "..", "..")

func TestItIsNamedAsTheManifestsAsk(t *testing.T) {
	o, err := parse([]string{"--root", root})
	require.NoError(t, err)
	assert.Regexp(t, `^[a-z0-9./-]+/sidecart:\d+\.\d+\.\d+$`, o.name)
	assert.Equal(t, []string{"amd64", "arm64"}, o.archs)
	assert.Equal(t, filepath.Join(root, ".bin", "image", "sidecart.oci.tar"), o.out)
}

func TestWrongUse(t *testing.T) {
	for says, args := range map[string][]string{
		`"mips" is neither amd64 nor arm64`:        {"--arch", "amd64,mips"},
		`"localhost:5000/sidecart" has no tag`:     {"--name", "localhost:5000/sidecart"},
		`"now" is not a flag`:                      {"now"},
		"flag provided but not defined: -bogus":    {"--bogus"},
		"no/where/k8s/base/app/kustomization.yaml": {"--root", "no/where"},
	} {
		var out, complaint bytes.Buffer
		assert.Equal(t, 2, run(t.Context(), args, &out, &complaint), args)
		assert.Contains(t, complaint.String(), says)
		assert.Contains(t, complaint.String(), "--help")
		assert.Empty(t, out.String())
	}
	var out bytes.Buffer
	assert.Equal(t, 0, run(t.Context(), []string{"--help"}, &out, &out))
	assert.Equal(t, usage, out.String())
}
