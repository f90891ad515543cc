package daprd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// binary is the real daprd, or the test is skipped.
func binary(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts no processes")
	}
	bin, err := filepath.Abs("../../../../.bin/daprd")
	require.NoError(t, err)
	if _, err := os.Stat(bin); err != nil {
		t.Skip("no .bin/daprd: build it with scripts/up --build")
	}
	return bin
}

// sqliteSet is a folder with a store, a broker that cannot be reached, a secret store and a file that is no component.
func sqliteSet(t *testing.T, dsn string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"state.yaml": "# two documents in a file\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: state}\nspec:\n  type: state.sqlite\n  version: v1\n" +
			"  metadata:\n  - name: connectionString\n    value: nowhere\n    secretKeyRef: {name: STATE_DSN, key: STATE_DSN}\n  - {name: keyPrefix, value: none}\n" +
			"auth: {secretStore: secrets}\nscopes: [order]\n" +
			"---\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: pubsub}\nspec:\n  type: pubsub.jetstream\n  version: v1\n" +
			"  metadata: [{name: natsURL, value: 'nats://127.0.0.1:1'}]\nscopes: [order]\n",
		"secrets.yaml": "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: secrets}\nspec:\n  type: secretstores.local.env\n  version: v1\n" +
			"  metadata: [{name: prefix, value: SIDECART_}]\n",
		"resiliency.yml": "apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: r}\n",
		"README.md":      "not YAML: {",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	t.Setenv("SIDECART_STATE_DSN", dsn)
	return dir
}

func TestASidecarOnASetKeepsItsDataOverARestartAndEndsWithStop(t *testing.T) {
	bin := binary(t)
	set := sqliteSet(t, filepath.Join(t.TempDir(), "state.db"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	p, err := Start(ctx, Config{Binary: bin, Set: set, Only: []string{sidecar.StateStore}, AppID: "daprd-test"})
	require.NoError(t, err)
	defer p.Stop()
	require.NoError(t, p.Create(ctx, "k", []byte(`1`)))
	pid := p.cmd.Process.Pid
	require.NoError(t, p.Restart(ctx))
	require.NotEqual(t, pid, p.cmd.Process.Pid)
	require.Eventually(t, func() bool { item, err := p.Get(ctx, "k"); return err == nil && string(item.Value) == "1" }, 20*time.Second, 5*time.Millisecond)

	stranger, err := sidecar.New(sidecar.Config{HTTPPort: p.ports[0], GRPCPort: p.ports[1]})
	require.NoError(t, err)
	_, err = stranger.Get(ctx, "k")
	assert.Error(t, err, "without the token")
	require.NoError(t, stranger.Close())

	pid = p.cmd.Process.Pid
	p.Stop()
	p.Stop()
	assert.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "process %s", strconv.Itoa(pid))
	assert.NoDirExists(t, p.dir)
}

func TestASetThatDaprdRefusesIsToldInItsWords(t *testing.T) {
	bin := binary(t)
	set := sqliteSet(t, "file:"+filepath.Join(t.TempDir(), "not", "there.db"))
	_, err := Start(t.Context(), Config{Binary: bin, Set: set, Only: []string{sidecar.StateStore}, AppID: "daprd-test"})
	assert.ErrorContains(t, err, "daprd refused "+set)
	assert.ErrorContains(t, err, "unable to open database file")
	_, err = Start(t.Context(), Config{Binary: bin, Set: set, Only: []string{"state", "mail"}, AppID: "daprd-test"})
	assert.ErrorContains(t, err, `no component named "mail"`)
	_, err = Start(t.Context(), Config{Binary: bin, Set: t.TempDir(), Only: []string{"state"}, AppID: "daprd-test"})
	assert.ErrorContains(t, err, "no .yaml file")
	_, err = Start(t.Context(), Config{Binary: bin, Set: filepath.Join(set, "README.md"), AppID: "daprd-test"})
	assert.Error(t, err)
}

func TestACancelledStartLeavesNothingBehind(t *testing.T) {
	bin := binary(t)
	set := sqliteSet(t, filepath.Join(t.TempDir(), "state.db"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Start(ctx, Config{Binary: bin, Set: set, Only: []string{sidecar.StateStore}, AppID: "daprd-test"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestOnlyWhatIsAskedForIsLoadedAndWithoutScopes(t *testing.T) {
	set := sqliteSet(t, "x")
	text, err := resources(set, []string{"state"})
	require.NoError(t, err)
	assert.Contains(t, string(text), "state.sqlite")
	assert.Contains(t, string(text), "secretstores.local.env")
	for _, unwanted := range []string{"scopes", "jetstream", "Resiliency"} {
		assert.NotContains(t, string(text), unwanted)
	}
	require.NoError(t, os.WriteFile(filepath.Join(set, "bad.yaml"), []byte("a: [\n"), 0o600))
	_, err = resources(set, []string{"state"})
	assert.ErrorContains(t, err, "bad.yaml")
}

func TestComplaintsCarryNoSecrets(t *testing.T) {
	environ := []string{"SIDECART_REDIS_PASSWORD=correcthorse", "SIDECART_POSTGRES_DSN=ordinary", "X_TOKEN=abc"}
	for given, want := range map[string]string{
		"dial redis with correcthorse: refused":                          "dial redis with ***: refused",
		"amqp://shop:hunter2@127.0.0.1:5672/: refused":                   "amqp://***@127.0.0.1:5672/: refused",
		"host=127.0.0.1 user=shop password=hunter2 dbname=x: no route":   "host=127.0.0.1 user=shop password=*** dbname=x: no route",
		"shop:hunter2@tcp(127.0.0.1:3306)/sidecart: bad":                 "***@tcp(127.0.0.1:3306)/sidecart: bad",
		"ordinary words about abc stay":                                  "ordinary words about abc stay",
		"cannot parse `host=h password='two words' dbname=x`":            "cannot parse `host=h password=*** dbname=x`",
		`bad connection string Password="hunter2; x";Database=d`:         `bad connection string Password=***;Database=d`,
		"parse \"amqp://shop:hun/ter@2@127.0.0.1:5672/\": invalid port":  "parse \"amqp://***@127.0.0.1:5672/\": invalid port",
		"redis://:hunter2@127.0.0.1:6379, mail to ada@example.com":       "redis://***@127.0.0.1:6379, mail to ada@example.com",
		"AccountEndpoint=https://x;AccountKey=1;Password: hunter2; rest": "AccountEndpoint=https://x;AccountKey=***;Password: ***; rest",
	} {
		assert.Equal(t, want, withoutSecrets(given, environ))
	}
}

func TestTheWorstLineIsTheComplaint(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"plain panic\n", "plain panic"},
		{`{"level":"info","msg":"a"}` + "\n", ""},
		{`{"level":"error","msg":"first"}` + "\n" + `{"level":"error","msg":"last"}` + "\n" + `{"level":"info","msg":"bye"}`, "last"},
		{`{"level":"error","msg":"an error"}` + "\n" + `{"level":"fatal","msg":"the end"}` + "\nrest", "the end"},
	} {
		var o output
		_, _ = o.Write([]byte(c.text))
		assert.Equal(t, c.want, o.complaint())
	}
	var o output
	for range 3 {
		_, _ = o.Write(make([]byte, maxOutputBytes))
	}
	assert.Len(t, o.text, maxOutputBytes)
}

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("PATH", "")
	_, err := Find("")
	assert.ErrorContains(t, err, "scripts/up --build")
	_, err = Find("nowhere/daprd")
	assert.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.Mkdir(".bin", 0o700))
	require.NoError(t, os.WriteFile(".bin/daprd", nil, 0o600))
	_, err = Find(".bin/daprd")
	assert.ErrorContains(t, err, "is not a program")
	require.NoError(t, os.Chmod(".bin/daprd", 0o700))
	found, err := Find("")
	require.NoError(t, err)
	assert.True(t, filepath.IsAbs(found))
	assert.False(t, errors.Is(err, os.ErrNotExist))
}
