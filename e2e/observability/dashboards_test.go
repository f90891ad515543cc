package observability

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDashboardsAreWhatIsMade(t *testing.T) {
	files, err := filepath.Glob(DashboardFile("*"))
	require.NoError(t, err)
	require.Len(t, files, len(Dashboards()), "a file that nobody makes")
	for _, d := range Dashboards() {
		want, err := d.JSON()
		require.NoError(t, err)
		got, err := os.ReadFile(DashboardFile(d.Name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "run `go run ./cmd/dashboards` in e2e")
	}
}

// What Grafana would not show, or show over each other.
func TestDashboardsCanBeShown(t *testing.T) {
	for _, d := range Dashboards() {
		text, err := d.JSON()
		require.NoError(t, err)
		var page struct {
			UID    string `json:"uid"`
			Panels []struct {
				ID      int    `json:"id"`
				Type    string `json:"type"`
				Title   string `json:"title"`
				GridPos struct{ X, Y, W, H int }
				Targets []struct{ RefID, Expr string }
			} `json:"panels"`
			Templating struct {
				List []struct{ Name string }
			} `json:"templating"`
		}
		require.NoError(t, json.Unmarshal(text, &page))
		variables := map[string]bool{"__rate_interval": true}
		for _, v := range page.Templating.List {
			variables[v.Name] = true
		}
		taken, ids, titles := map[[2]int]bool{}, map[int]bool{}, map[string]bool{}
		for _, p := range page.Panels {
			require.False(t, ids[p.ID], "%s: two panels %d", d.Name, p.ID)
			require.False(t, titles[p.Title], "%s: two panels %q", d.Name, p.Title)
			ids[p.ID], titles[p.Title] = true, true
			require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, gridWidth)
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					require.False(t, taken[[2]int{x, y}], "%s: %q covers another panel", d.Name, p.Title)
					taken[[2]int{x, y}] = true
				}
			}
			require.Equal(t, p.Type == "row", len(p.Targets) == 0, "%s: %q", d.Name, p.Title)
			for _, q := range p.Targets {
				for i, part := range strings.Split(q.Expr, "$") {
					name := strings.FieldsFunc(part, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') })
					require.True(t, i == 0 || len(name) > 0 && variables[name[0]], "%s: %q uses a variable that is not there", d.Name, p.Title)
				}
			}
		}
	}
}

// promtool reads every query as if it were a rule.
func TestQueriesCanBeRead(t *testing.T) {
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for _, q := range Queries() {
		plain := strings.NewReplacer("$__rate_interval", "5m", "$service", "order", "$instance", "a").Replace(q)
		rules = append(rules, rule{fmt.Sprintf("panel:%d", len(rules)), plain})
		assert.NotContains(t, plain, "$", q)
	}
	require.Greater(t, len(rules), 40)
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}}) // JSON is YAML
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	promtool(t, "check", "rules", path)
}
