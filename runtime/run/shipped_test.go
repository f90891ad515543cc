package run

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The run files of the repository: what two runs at once would share must be swapped in every value that has it.
func TestShippedRunFiles(t *testing.T) {
	for name, apps := range map[string]int{"one": 1, "split": 6, "replicas": 8} {
		t.Run(name, func(t *testing.T) {
			f, err := Load(filepath.Join("..", "..", "dapr-config", name+".yaml"))
			require.NoError(t, err)
			plan := newPortPlan(f, true)
			defer plan.release()
			var infra []string
			for i := range f.Apps {
				app := &f.Apps[i]
				if !app.Sidecar() {
					infra = append(infra, app.ID)
				}
				assert.True(t, app.HealthCheck, "events reach an app only while it is healthy")
				assert.Len(t, app.ResourcesPaths, 2, "component set and resiliency")
				require.NotZero(t, app.AppPort, "the Dapr CLI gives no app port by itself")
				for key, value := range app.Env {
					if key == gatewayEnv {
						continue // given by --port
					}
					got, err := plan.value(key, value)
					require.NoError(t, err)
					if strings.HasSuffix(key, "_PORT") || strings.Contains(value, loopback+":") {
						assert.NotEqual(t, value, got, "%s keeps the file's port", key)
					}
					if strings.Contains(value, f.DataDir) {
						assert.Contains(t, rebase(value, f.DataDir, "/moved"), "/moved", "%s stays in the file's data folder", key)
					}
				}
			}
			assert.Equal(t, []string{"broker", "sandbox"}, infra)
			assert.Len(t, f.Apps, apps+len(infra))
		})
	}
}
