package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func writeRunFile(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"app", "app/own", "res"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, sub), 0o750))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.yaml"), nil, 0o600))
	path := filepath.Join(dir, "dapr.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestLoadMergesAndResolves(t *testing.T) {
	path := writeRunFile(t, `
version: 1
name: shop
common:
  resourcesPaths: [res]
  configFilePath: config.yaml
  logLevel: warn
  enableAppHealthCheck: true
  placementHostAddress: ""
  env: {A: common, B: common, SIDECART_DATA_DIR: .data}
apps:
  - appDirPath: app
    command: [./run, --fast]
    appPort: 7001
    env: {B: own, N: 3}
  - appID: two
    appDirPath: app/
    command: [run]
    resourcesPaths: [own]
    logLevel: debug
`)
	f, err := Load(path)
	require.NoError(t, err)
	dir := filepath.Dir(path)
	require.Len(t, f.Apps, 2)
	one, two := f.Apps[0], f.Apps[1]
	assert.Equal(t, "app", one.ID, "named after its folder")
	assert.Equal(t, filepath.Join(dir, "app"), one.Dir)
	assert.Equal(t, []string{filepath.Join(dir, "res")}, one.ResourcesPaths)
	assert.Equal(t, filepath.Join(dir, "config.yaml"), one.ConfigFile)
	assert.Equal(t, map[string]string{"A": "common", "B": "own", "N": "3", DataDirEnv: ".data"}, one.Env)
	assert.Equal(t, 7001, one.AppPort)
	assert.Equal(t, "warn", one.LogLevel)
	assert.True(t, one.HealthCheck)
	assert.Equal(t, "/healthz", one.HealthPath)
	assert.Equal(t, "", *one.Placement)
	assert.Equal(t, []string{filepath.Join(dir, "app/own")}, two.ResourcesPaths, "relative to the app")
	assert.Equal(t, "debug", two.LogLevel)
	assert.Equal(t, "common", two.Env["B"], "one app's env is not another's")
	assert.Equal(t, ".data", f.DataDir)
}

func TestLoadErrorsNameFileLineAndField(t *testing.T) {
	const more = "  - appID: one\n    appDirPath: app\n    command: [run]\n"
	const app = "apps:\n" + more
	const infra = app + "    env: {SIDECART_SIDECAR: none}\n"
	tests := map[string]struct{ text, want string }{
		"unknown top field":    {"version: 1\nextra: 1\n" + app, "dapr.yaml:2: extra: unknown field"},
		"unknown common field": {"version: 1\ncommon:\n  logLevell: info\n" + app, "dapr.yaml:3: common.logLevell: unknown field"},
		"unknown app field":    {"version: 1\n" + app + "    appport: 1\n", "dapr.yaml:6: apps[0].appport: unknown field"},
		"unsupported":          {"version: 1\n" + app + "    unixDomainSocket: /x\n", "dapr.yaml:6: apps[0].unixDomainSocket: the Dapr CLI knows this field, this runner does not"},
		"twice":                {"version: 1\n" + app + "    appPort: 1\n    appPort: 2\n", "dapr.yaml:7: apps[0].appPort: given twice"},
		"bad port":             {"version: 1\n" + app + "    appPort: 70000\n", `dapr.yaml:6: apps[0].appPort: "70000": want a whole number from 1 to 65535`},
		"bad bool":             {"version: 1\n" + app + "    enableAppHealthCheck: yes\n", `dapr.yaml:6: apps[0].enableAppHealthCheck: "yes": want true or false`},
		"bad level":            {"version: 1\n" + app + "    logLevel: loud\n", `dapr.yaml:6: apps[0].logLevel: "loud": want one of`},
		"no such path":         {"version: 1\n" + app + "    resourcesPaths: [nope]\n", "dapr.yaml:6: apps[0].resourcesPaths[0]: "},
		"no dir":               {"version: 1\napps:\n  - appID: one\n    command: [run]\n", "dapr.yaml:3: apps[0].appDirPath: required"},
		"no command":           {"version: 1\napps:\n  - appID: one\n    appDirPath: app\n", "dapr.yaml:3: apps[0].command: required"},
		"bad id":               {"version: 1\napps:\n  - appID: a/b\n    appDirPath: app\n    command: [run]\n", `dapr.yaml:3: apps[0].appID: "a/b"`},
		"two brokers":          {"version: 1\n" + infra + strings.TrimPrefix(infra, "apps:\n"), `dapr.yaml:7: apps[1].appID: "one" is used twice: only an app with a sidecar`},
		"name of a replica":    {"version: 1\n" + app + more + strings.Replace(more, "one", "one-2", 1), `dapr.yaml:9: apps[2].appID: its process would be called "one-2"`},
		"name of a sidecar":    {"version: 1\n" + app + strings.Replace(more, "one", "one.daprd", 1), `apps[1].appID: its process would be called "one.daprd"`},
		"same port":            {"version: 1\n" + app + "    appPort: 7001\n" + more + "    daprGRPCPort: 7001\n", `dapr.yaml:7: apps[1].daprGRPCPort: 7001 is also apps[0].appPort`},
		"version":              {"version: 2\n" + app, `dapr.yaml:1: version: "2": want a whole number from 1 to 1`},
		"no version":           {app, "dapr.yaml:1: version: required"},
		"no apps":              {"version: 1\n", "dapr.yaml:1: apps: required"},
		"apps no list":         {"version: 1\napps: {}\n", "dapr.yaml:2: apps: want a list of apps"},
		"env name":             {"version: 1\n" + app + "    env: {A B: 1}\n", "dapr.yaml:6: apps[0].env.A B: not a name"},
		"env value":            {"version: 1\n" + app + "    env: {A: [1]}\n", "dapr.yaml:6: apps[0].env.A: want a single value"},
		"grpc app":             {"version: 1\n" + app + "    appProtocol: grpc\n", "apps[0].appProtocol"},
		"empty":                {"", "empty"},
		"not yaml":             {"version: [1\n", "yaml: line"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(writeRunFile(t, tt.text))
			require.Error(t, err)
			assert.Contains(t, err.Error(), tt.want)
		})
	}
	_, err := Load(filepath.Join(t.TempDir(), "absent.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestRebase(t *testing.T) {
	for value, want := range map[string]string{
		".data":                         "/d",
		".data/":                        "/d/",
		".data/x/y":                     "/d/x/y",
		"file:.data/state.db?mode=rwc":  "file:/d/state.db?mode=rwc",
		"a=.data/a,b=.data/b":           "a=/d/a,b=/d/b",
		"other.data/x":                  "other.data/x",
		"/.data/x":                      "/.data/x",
		".datax":                        ".datax",
		"x/.data/.data/y":               "x/.data/.data/y",
		"":                              "",
		"http://127.0.0.1:8080/.data/x": "http://127.0.0.1:8080/.data/x",
	} {
		assert.Equal(t, want, rebase(value, ".data", "/d"), value)
	}
	assert.Equal(t, "x/y", rebase("x/y", "", "/d"))
}
