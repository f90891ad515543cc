package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/chaos"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/servers"
)

// copyWithin bounds patience with a copy on a machine that does much else.
const copyWithin = 4 * time.Minute

// copyReport is what sidecart data copy --report writes, as far as it is read here.
type copyReport struct {
	Switched, Already      bool
	Segments, Views, Lists int64
	Missing                []string
	PauseSecs              float64 `json:"pause_seconds"`
	Services               map[string]struct{ Totals map[string]int64 }
}

// TestMoveToAnotherStore moves a shop that sells from SQLite and JetStream to Redis and on to Postgres and RabbitMQ. Copies are
// killed, undone and taken up again on the way. No order is lost or doubled: the books of the whole way balance at the end, on
// the last store, after a cold start.
func TestMoveToAnotherStore(t *testing.T) {
	harness.SkipIfShort(t)
	m := newRelocation(t)
	if _, err := servers.Check(m.set, os.Getenv); err != nil {
		cannotRun(t, err)
	}
	s := harness.Open(t, harness.One, append(chaos.Options(), harness.WithSet(m.set), harness.WithEnv("SIDECART_MAIL_CONCURRENCY", "8"))...)
	m.shop = s
	trial := chaos.Begin(t.Context(), s, chaos.LoadConfig{Customers: 6, Pause: 100 * time.Millisecond, Seed: uint64(time.Now().UnixNano())})
	pass(t, 25*time.Second) // orders are archived and journals trimmed by then

	out := m.copy("embedded", "redis", "--dry-run")
	assert.Contains(t, out, "Nothing was written.")
	m.killedCopy("embedded", "redis")
	m.copy("embedded", "redis", "--undo")
	before := trial.Load.Counts().Orders
	harness.Eventually(t, "the shop sells from the source again", 0, func() error {
		return wants(trial.Load.Counts().Orders > before+10, "%d orders after %d", trial.Load.Counts().Orders, before)
	})
	m.relocate("embedded", "redis")
	pass(t, 15*time.Second)
	second := m.relocate("redis", "postgres")
	assert.Positive(t, second.Views, "no order was archived: the test shows less than it should")
	before = trial.Load.Counts().Orders
	harness.Eventually(t, "the shop sells from the last store", 0, func() error {
		return wants(trial.Load.Counts().Orders > before+10, "%d orders after %d", trial.Load.Counts().Orders, before)
	})
	end(t, trial)
	m.refused("embedded", "postgres")
}

// relocation is a shop whose component set is changed under it.
type relocation struct {
	*move
	shop *harness.Shop
	set  string // the shop's own copy of a set
}

// newRelocation makes a set that begins as the embedded one and has the stores and brokers of the others under other names, so
// that their servers are started with the shop.
func newRelocation(t *testing.T) *relocation {
	t.Helper()
	m := &relocation{move: &move{t: t}, set: filepath.Join(t.TempDir(), "moving")}
	require.NoError(t, os.CopyFS(m.set, os.DirFS(setFolder("embedded"))))
	for _, other := range []string{"redis", "postgres"} {
		for _, part := range []string{"state", "pubsub"} {
			text, err := os.ReadFile(filepath.Join(setFolder(other), part+".yaml"))
			require.NoError(t, err)
			renamed := strings.Replace(string(text), "name: "+part+"\n", "name: "+part+"-of-"+other+"\n", 1)
			require.NotEqual(t, string(text), renamed)
			require.NoError(t, os.WriteFile(filepath.Join(m.set, part+"-of-"+other+".yaml"), []byte(renamed), 0o600))
		}
	}
	return m
}

// command is sidecart data copy, in the environment of the shop's sidecars.
func (m *relocation) command(from, to string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(m.t.Context(), m.binary(), append([]string{
		"data", "copy", "--from", setFolder(from), "--to", setFolder(to),
		"--daprd", filepath.Join(harness.Root(), ".bin", "daprd"),
	}, args...)...)
	// What a killed copy leaves is deleted with the test.
	cmd.Env = append(os.Environ(), "TMPDIR="+m.t.TempDir(), "SIDECART_STATE_DSN="+filepath.Join(m.shop.Data, "state.db"))
	env, err := os.ReadFile(filepath.Join(m.shop.Data, "servers", "env"))
	require.NoError(m.t, err)
	for line := range strings.Lines(string(env)) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		cmd.Env = append(cmd.Env, name+"="+strings.Trim(value, "'"))
	}
	return cmd
}

// copy runs the command, which must succeed, and gives what it says.
func (m *relocation) copy(from, to string, args ...string) string {
	m.t.Helper()
	cmd := m.command(from, to, args...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	require.NoError(m.t, err, "%s\n%s", out, complaints.String())
	m.t.Logf("%s %v:\n%s", cmd.Args[2], args, out)
	return string(out)
}

// killedCopy kills a copy once the source is closed or soon will be: what it leaves must be undone or taken up again.
func (m *relocation) killedCopy(from, to string) {
	m.t.Helper()
	cmd := m.command(from, to)
	var said strings.Builder // read once the process is over
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(m.t, cmd.Start())
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	harness.Eventually(m.t, "the copy closes the source", copyWithin, func() error {
		select {
		case err := <-over:
			require.NoError(m.t, errors.Join(err, errors.New("it was over before it could be killed")), said.String())
		default:
		}
		return m.closed()
	})
	require.NoError(m.t, cmd.Process.Kill())
	exit, ok := errors.AsType[*exec.ExitError](<-over)
	require.True(m.t, ok && exit.ExitCode() == -1, "it was over before it could be killed: %s", said.String())
}

// closed is nil when order takes nothing any more.
func (m *relocation) closed() error {
	err := m.shop.Pay(m.t.Context(), "6f9619ff-8b86-5d11-b42d-00cf4fc964ff", "card") // an order that never was
	return wants(problem(err).Code == "moved", "%v", err)
}

// relocate copies to another set and starts the shop on it. What a killed copy brought before is not in the report.
func (m *relocation) relocate(from, to string) copyReport {
	m.t.Helper()
	file := filepath.Join(m.t.TempDir(), "report.json")
	m.copy(from, to, "--report", file)
	opened := time.Now()
	for _, part := range []string{"state", "pubsub"} {
		text, err := os.ReadFile(filepath.Join(setFolder(to), part+".yaml"))
		require.NoError(m.t, err)
		require.NoError(m.t, os.WriteFile(filepath.Join(m.set, part+".yaml"), text, 0o600))
	}
	m.restart(m.shop)
	m.shop.AwaitReady(m.t)
	ready := time.Since(opened)

	text, err := os.ReadFile(file)
	require.NoError(m.t, err)
	var r copyReport
	require.NoError(m.t, json.Unmarshal(text, &r))
	assert.True(m.t, r.Switched)
	assert.Empty(m.t, r.Missing)
	stock := r.Services["inventory"].Totals
	assert.Equal(m.t, stock["received"], stock["available"]+stock["reserved"]+stock["sold"])
	m.t.Logf("from %s to %s: %d segments, %d views, %d lists; closed for %.2f s by the copy, ready %.2f s after it",
		from, to, r.Segments, r.Views, r.Lists, r.PauseSecs, ready.Seconds())
	return r
}

// refused wants that what was left behind is not copied once more.
func (m *relocation) refused(from, to string) {
	m.t.Helper()
	out, err := m.command(from, to).CombinedOutput()
	require.Error(m.t, err)
	assert.Contains(m.t, string(out), "by another copy")
}
