package components

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryStoreOfDaprIsJudged: a store that a new version of Dapr brings must be looked at before anybody takes it.
func TestEveryStoreOfDaprIsJudged(t *testing.T) {
	for _, spec := range DaprCatalog().Components {
		if spec.block() != "state" || spec.Type == "state.spiffeprobe" { // which is Dapr's own test of certificates
			continue
		}
		store, known := StoreOf(spec.Type, spec.Version)
		if !assert.True(t, known, "%s %s is not in stores.go", spec.Type, spec.Version) {
			continue
		}
		assert.True(t, store.Known == "run" || strings.HasPrefix(store.Known, "read: "), "%s: Known is %q", spec.Type, store.Known)
		assert.True(t, store.Safe || store.Why != "", "%s: why is it not safe?", spec.Type)
	}
	for _, s := range stores {
		assert.NotEmpty(t, DaprCatalog().versions(s.Type), "Dapr knows no %s", s.Type)
	}
}

// TestUnfitTypesAreRefusedByName puts every store and broker that sidecart is not safe on, or gains nothing from, in the place
// of a sound set's: one error that says which, why, and what to take instead.
func TestUnfitTypesAreRefusedByName(t *testing.T) {
	check := func(t *testing.T, file, from, to string, parts ...string) {
		t.Helper()
		findings, err := Check(changed(t, "redis", change{file, "type: " + from, "type: " + to}))
		require.NoError(t, err)
		require.Len(t, findings, 1, "%v", findings)
		assert.Equal(t, Error, findings[0].Severity)
		assert.Equal(t, "spec.type", findings[0].Field)
		for _, part := range append(parts, to, "take ") {
			assert.Contains(t, findings[0].Message, part)
		}
	}
	refused := 0
	for _, s := range stores {
		if s.Safe {
			continue
		}
		refused++
		t.Run(s.Type, func(t *testing.T) { check(t, "state.yaml", "state.redis", s.Type, s.Why, usePostgres) })
	}
	assert.GreaterOrEqual(t, refused, 15)
	for broker, why := range unfitBrokers {
		t.Run(broker, func(t *testing.T) { check(t, "pubsub.yaml", "pubsub.redis", broker, why) })
	}
}

func TestAliasesAreJudgedAsWhatTheyAre(t *testing.T) {
	yugabyte, known := StoreOf("state.yugabytedb", "v2")
	assert.True(t, known)
	assert.Equal(t, "state.postgresql", yugabyte.Type)
	consul, known := StoreOf("state.consul", "v1")
	assert.True(t, known)
	assert.False(t, consul.Safe)
	_, known = StoreOf("state.paper", "v1")
	assert.False(t, known)
}

// TestDocumentHasTheTableOfStores compares docs/component-sets.md with stores.go.
func TestDocumentHasTheTableOfStores(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "component-sets.md"))
	require.NoError(t, err)
	_, table, found := strings.Cut(string(text), "<!-- stores:begin -->\n")
	require.True(t, found)
	table, _, found = strings.Cut(table, "<!-- stores:end -->")
	require.True(t, found)
	var want strings.Builder
	want.WriteString("| store | fit | known | what to know |\n|---|---|---|---|\n")
	for _, s := range stores {
		fit := "no"
		if s.Safe {
			fit = "yes"
		}
		name := "`" + s.Type + "`"
		if len(s.Versions) > 0 {
			name += " " + strings.Join(s.Versions, ", ")
		}
		fmt.Fprintf(&want, "| %s | %s | %s | %s |\n", name, fit, s.Known, s.Why)
	}
	assert.Equal(t, want.String(), table, "write this table into docs/component-sets.md")
}
