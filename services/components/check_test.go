package components

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestShippedSetsAreSound checks every set that is shipped: no error and no warning.
func TestShippedSetsAreSound(t *testing.T) {
	root := filepath.Join("..", "..", "components")
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	var checked int
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		checked++
		t.Run(e.Name(), func(t *testing.T) {
			findings, err := Check(filepath.Join(root, e.Name()))
			require.NoError(t, err)
			for _, f := range findings {
				assert.Fail(t, f.String())
			}
			_, err = Load(filepath.Join(root, e.Name()))
			assert.NoError(t, err)
		})
	}
	assert.GreaterOrEqual(t, checked, 3)
}
