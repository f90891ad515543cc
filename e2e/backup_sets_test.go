package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
	"github.com/sidecart/sidecart/runtime/servers"
)

// backedUp are the sets whose commands in docs/backup.md are run here: under which name those are there, what they need beside
// the set's servers, and the server that must not run while the store is restored, or is emptied by that ("": none).
var backedUp = []struct{ set, commands, needs, down string }{
	{embedded, embedded, "sqlite3", ""},
	{"redis", "redis", "redis-cli", "redis"},
	{"kafka", "postgres", "pg_dump", "kafka"}, // PostgreSQL as in postgres, and a broker that starts sooner
	{"mysql", "mysql", "mariadb-dump", ""},
}

// TestBackupsOfStores: a backup that is made by the store's own means while the shop sells, and restored into it later, is the
// shop of that instant: every order that a client was told of before is there, its books balance, none of later is known,
// and it sells on.
func TestBackupsOfStores(t *testing.T) {
	harness.SkipIfShort(t)
	doc, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "backup.md"))
	require.NoError(t, err)
	scripts := map[string]string{}
	for _, block := range regexp.MustCompile("(?s)<!-- (backup: \\w+|restore: \\w+) -->\n```text\n(.*?)```").FindAllStringSubmatch(string(doc), -1) {
		scripts[block[1]] = block[2]
	}
	for _, b := range backedUp {
		t.Run(b.set, func(t *testing.T) {
			t.Parallel()
			backup, restore := scripts["backup: "+b.commands], scripts["restore: "+b.commands]
			require.NotEmpty(t, backup)
			require.NotEmpty(t, restore)
			if _, err := servers.Check(setFolder(b.set), os.Getenv); err != nil {
				cannotRun(t, err)
			}
			if _, err := exec.LookPath(b.needs); err != nil {
				cannotRun(t, fmt.Errorf("its commands: %w", err))
			}
			backUpAndRestore(t, b.set, b.down, backup, restore)
		})
	}
}

func backUpAndRestore(t *testing.T, set, down, backup, restore string) {
	const before, later = 5, 3
	// Short, because a hold whose order was not recorded yet at the instant of the backup ends by its time.
	s := harness.Open(t, harness.One, harness.WithSet(set), harness.WithPayWithin(10*time.Second))
	env := append(os.Environ(), "SIDECART_DATA="+s.Data, "BACKUP="+t.TempDir(), "REDIS_DIR="+filepath.Join(s.Data, "servers", "redis"))
	sku := stocked(t, s, 100_000)
	var paid, meanwhile, after []string
	for range before {
		o := placed(t, s, sku, 1)
		require.NoError(t, s.Pay(t.Context(), o.ID, "card"))
		becomes(t, s, o.ID, client.Paid)
		paid = append(paid, o.ID)
	}
	ctx, closeShop := context.WithCancel(t.Context())
	defer closeShop()
	var sales errgroup.Group
	sold := make(chan string, 100_000)
	for range 4 {
		sales.Go(func() error {
			for ctx.Err() == nil {
				o, err := s.Place(t.Context(), uuid.NewString(), basket(sku, 1))
				if err != nil {
					return err
				}
				sold <- o.ID
			}
			return nil
		})
	}
	meanwhile = append(meanwhile, <-sold)
	runDocumented(t, env, s.Data, backup)
	closeShop()
	require.NoError(t, sales.Wait())
	close(sold)
	for id := range sold {
		meanwhile = append(meanwhile, id)
	}
	for range later {
		after = append(after, placed(t, s, sku, 1).ID)
	}
	audit(t, s, []string{sku}, append(append(append([]string(nil), paid...), meanwhile...), after...))

	goDown(t, s, down)
	runDocumented(t, env, s.Data, restore)
	goUp(t, s)
	there := append([]string(nil), paid...)
	for _, id := range paid {
		becomes(t, s, id, client.Paid)
	}
	for _, id := range meanwhile {
		if _, err := s.Order(t.Context(), id); err == nil {
			there = append(there, id)
		} else {
			require.Equal(t, "unknown_order", problem(err).Code, "%v", err)
		}
	}
	require.Contains(t, there, meanwhile[0], "it was placed before the backup began")
	for _, id := range after {
		_, err := s.Order(t.Context(), id)
		assert.Equal(t, "unknown_order", problem(err).Code)
	}
	audit(t, s, []string{sku}, there)
	next := placed(t, s, sku, 1)
	require.NoError(t, s.Pay(t.Context(), next.ID, "card"))
	becomes(t, s, next.ID, client.Paid)
	audit(t, s, []string{sku}, append(there, next.ID))
	t.Logf("%s: of %d orders placed during the backup %d are in it", set, len(meanwhile), len(there)-before)
}

// runDocumented runs a document's commands, with the variables that scripts/up leaves for a shell.
func runDocumented(t *testing.T, env []string, data, commands string) {
	t.Helper()
	prelude := `set -euo pipefail
if [ -f "$SIDECART_DATA/servers/env" ]; then set -a; . "$SIDECART_DATA/servers/env"; set +a; fi
if [ -n "${SIDECART_MYSQL_DSN:-}" ]; then # user:password@tcp(host:port)/?…
  export MYSQL_USER="${SIDECART_MYSQL_DSN%%:*}" MYSQL_HOST=127.0.0.1
  MYSQL_PWD=${SIDECART_MYSQL_DSN#*:}; export MYSQL_PWD="${MYSQL_PWD%%@*}"
  MYSQL_PORT=${SIDECART_MYSQL_DSN#*\(*:}; export MYSQL_PORT="${MYSQL_PORT%%)*}"
fi
`
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-c", prelude+commands)
	command.Dir, command.Env = data, env
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s\n%s", commands, out)
}

// goDown stops everything but the set's servers, and of those the one that must not run; the sandbox, which is the world outside,
// goes on.
func goDown(t *testing.T, s *harness.Shop, server string) {
	t.Helper()
	for _, kind := range []run.Kind{run.KindApp, run.KindSidecar, run.KindInfra, run.KindServer} {
		for _, p := range s.Stack.Processes() {
			if p.Kind == kind && p.App != "sandbox" && (kind != run.KindServer || strings.HasPrefix(p.Name, server) && server != "") {
				require.NoError(t, s.Stack.StopProcess(t.Context(), p.Name))
			}
		}
	}
}

// goUp starts what is down.
func goUp(t *testing.T, s *harness.Shop) {
	t.Helper()
	var g errgroup.Group
	for _, p := range s.Stack.Processes() {
		if p.State == run.StateHeld {
			g.Go(func() error {
				if err := s.Stack.StartProcess(t.Context(), p.Name); err != nil {
					return fmt.Errorf("%s: %w", p.Name, err)
				}
				return nil
			})
		}
	}
	require.NoError(t, g.Wait())
	s.AwaitReady(t)
}
