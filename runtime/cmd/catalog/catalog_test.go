package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCatalogIsUpToDate makes the catalog again from the pinned modules and compares it with the file that services embeds.
func TestCatalogIsUpToDate(t *testing.T) {
	made, err := generate(t.Context())
	require.NoError(t, err)
	kept, err := os.ReadFile(filepath.Join("..", "..", defaultOut))
	require.NoError(t, err)
	if string(made) != string(kept) { // a diff of it would be long
		assert.Fail(t, "services/components/catalog.json is not what the pinned Dapr modules say: in runtime, run GOWORK=off go run ./cmd/catalog")
	}
}

func TestRegistrationsAreReadWithTheirVersionsAndAliases(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("package components\nfunc init() {\n"+text+"\n}\n"), 0o600))
	}
	write("state_paper.go", `reg.RegisterComponent(paper.New, "paper", "papyrus")`)
	write("state_stone.go", `reg.RegisterComponentWithVersions("stone", components.Versioning{
		Preferred: components.VersionConstructor{Version: "v2", Constructor: stone.New},
		Default: "v1", Deprecated: []components.VersionConstructor{{Version: "v1", Constructor: stone.Old}}})`)
	write("bindings_drum.go", `reg.RegisterInputBinding(drum.New, "drum"); reg.RegisterOutputBinding(drum.New, "drum")`)
	write("zz_notag.go", `panic("no tag")`)
	got, err := readRegistrations(dir)
	require.NoError(t, err)
	assert.Equal(t, []registration{
		{name: "bindings.drum", versions: []string{"v1"}, together: []string{"bindings.drum"}},
		{name: "state.paper", versions: []string{"v1"}, together: []string{"state.paper", "state.papyrus"}},
		{name: "state.papyrus", versions: []string{"v1"}, together: []string{"state.paper", "state.papyrus"}},
		{name: "state.stone", versions: []string{"v2", "v1"}, together: []string{"state.stone"}},
	}, got)

	_, err = readRegistrations(t.TempDir())
	assert.ErrorContains(t, err, "has the layout of the Dapr module changed?")
}

func TestMergeNamesAliasesAndWhatIsNotListed(t *testing.T) {
	listed := []component{{Type: "state.paper", Version: "v1"}, {Type: "state.water", Version: "v1"}, {Type: "crypto.jwks", Version: "v1"}}
	both := []string{"state.paper", "state.papyrus"}
	got := merge(listed, []registration{
		{name: "state.paper", versions: []string{"v2", "v1"}, together: both},
		{name: "state.papyrus", versions: []string{"v1"}, together: both},
		{name: "crypto.dapr.jwks", versions: []string{"v1"}, together: []string{"crypto.dapr.jwks"}},
	})
	assert.Equal(t, []component{
		{Type: "crypto.dapr.jwks", Version: "v1"},
		{Type: "state.paper", Version: "v1", Aliases: []string{"state.papyrus"}},
		{Type: "state.paper", Version: "v2", Unlisted: true},
	}, got)
}
