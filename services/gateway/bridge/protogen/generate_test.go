package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheCheckedInCodeIsWhatTheFilesGive(t *testing.T) {
	const root = "../../.."
	files, err := generate(t.Context(), root)
	require.NoError(t, err)
	require.Len(t, files, 2*len(sources))
	for name, want := range files {
		have, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		assert.True(t, string(want) == string(have), "%s is old: run `go run ./gateway/bridge/protogen` in the folder services", name)
	}
}

func TestAnotherFolderIsRefusedAndNothingIsWritten(t *testing.T) {
	dir := t.TempDir()
	require.ErrorContains(t, write(t.Context(), dir), "--root")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}
