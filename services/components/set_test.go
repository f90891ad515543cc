package components

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sidecart/sidecart/services/kit/sidecar/setfiles"
)

func TestLoadSaysWhatTheFilesSay(t *testing.T) {
	set, err := Load(filepath.Join(shipped, "redis"))
	require.NoError(t, err)
	state, ok := set.Component("state")
	require.True(t, ok)
	assert.Equal(t, "state.redis", state.Type)
	assert.Equal(t, "state", state.Block())
	assert.Equal(t, "v1", state.Version)
	assert.Equal(t, "secrets", state.SecretStore)
	assert.Equal(t, []string{"inventory", "order", "payment", "notify", "account", "sidecart"}, state.Scopes)
	host, ok := state.Field("redisHost")
	require.True(t, ok)
	assert.Equal(t, "127.0.0.1:6379", host.Value)
	require.NotNil(t, host.Secret)
	assert.Equal(t, "REDIS_HOST", host.Secret.Name)
	assert.Equal(t, lineIn(t, state.File, "redisHost"), host.Line)
	_, ok = set.Component("nothing")
	assert.False(t, ok)
	_, ok = state.Field("nothing")
	assert.False(t, ok)

	aws, err := Load(filepath.Join(shipped, "aws"))
	require.NoError(t, err)
	secrets, ok := aws.Component("secrets")
	require.True(t, ok)
	region, ok := secrets.Field("region")
	require.True(t, ok)
	assert.Equal(t, "SIDECART_AWS_REGION", region.Env)
}

func TestLoadNamesEveryLineThatCannotBeRead(t *testing.T) {
	dir := changed(t, "redis", change{"sms.yaml", "kind: Component", "kind: Komponent"}, change{"state.yaml", "initTimeout:", "initTimeOut:"})
	_, err := Load(dir)
	assert.ErrorContains(t, err, "sms.yaml:3: error: sms kind:")
	assert.ErrorContains(t, err, "state.yaml:")
}

func TestFoldersThatAreNoSet(t *testing.T) {
	empty := t.TempDir()
	_, err := Check(empty)
	assert.ErrorContains(t, err, "no .yaml file")
	_, err = Check(filepath.Join(empty, "absent"))
	assert.ErrorIs(t, err, os.ErrNotExist)

	_, err = Check(shipped)
	assert.ErrorContains(t, err, "as "+filepath.Join(shipped, "aliyun")+", ")
	assert.ErrorContains(t, err, filepath.Join(shipped, "redis"))

	large := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(large, "a.yaml"), []byte(strings.Repeat("# no end\n", setfiles.MaxFileBytes/8)), 0o600))
	_, err = Check(large)
	assert.ErrorContains(t, err, "more than 1048576 bytes")
}

func TestEmptySetMissesEverythingThatIsNeeded(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.yaml"), []byte("# nothing yet\n---\n"), 0o600))
	findings, err := Check(dir)
	require.NoError(t, err)
	var missing []string
	for _, f := range findings {
		assert.Equal(t, dir, f.File)
		missing = append(missing, f.Component)
	}
	assert.Equal(t, []string{"state", "pubsub", "mail", "sms", "payment-provider", "account-secrets"}, missing)
}

// TestSeveralDocumentsAnchorsAndOtherKinds: daprd reads all documents of a file; other kinds of Dapr's are none of ours.
func TestSeveralDocumentsAnchorsAndOtherKinds(t *testing.T) {
	dir := t.TempDir()
	const text = `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: any}
spec: {anything: [1]}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: state}
spec:
  type: state.sqlite
  version: v1
  metadata: [{name: connectionString, value: a.db}, {name: keyPrefix, value: none}]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: other}
spec: {type: &kind state.sqlite, version: v1, initTimeout: *kind}
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "all.yml"), []byte(text), 0o600))
	set, err := Load(dir)
	require.NoError(t, err)
	require.Len(t, set.Components, 2)
	assert.Equal(t, "state", set.Components[0].Name)
	assert.Equal(t, "state.sqlite", set.Components[1].initTimeout.text)
	assert.Equal(t, 16, set.Components[1].lines.name)
}

// TestAppsAreThoseOfTheRunFiles keeps needs.go and the run files together: scopes name the apps that are started.
func TestAppsAreThoseOfTheRunFiles(t *testing.T) {
	var started []string
	for _, file := range []string{"one.yaml", "split.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "dapr-config", file))
		require.NoError(t, err)
		var run struct {
			Apps []struct {
				AppID string `yaml:"appID"`
				Env   map[string]string
			}
		}
		require.NoError(t, yaml.Unmarshal(text, &run))
		for _, app := range run.Apps {
			if app.Env["SIDECART_SIDECAR"] != "none" {
				started = append(started, app.AppID)
			}
		}
	}
	assert.ElementsMatch(t, apps, started)
	for _, n := range needs {
		assert.Subset(t, apps, n.mustSee())
	}
}

func TestAReleaseIsInScopesWhereItsServiceIs(t *testing.T) {
	dir := changed(t, "redis", change{"sms.yaml", "[notify, sidecart]", "[notify, notify-canary, order-canary, sidecart]"})
	findings, err := Check(dir)
	require.NoError(t, err)
	require.Len(t, findings, 1)
	assert.Contains(t, findings[0].Message, "order-canary has no use for sms")
}

func TestFindingsReadLikeACompilersErrors(t *testing.T) {
	f := Finding{File: "a/b.yaml", Line: 3, Component: "state", Field: "redisHost", Message: "is missing", Severity: Error}
	assert.Equal(t, "a/b.yaml:3: error: state redisHost: is missing", f.String())
	f = Finding{File: "a", Component: "state", Message: "is missing", Severity: Warning}
	assert.Equal(t, "a: warning: state: is missing", f.String())
	f = Finding{File: "a.yaml", Line: 1, Field: "kind", Message: "is missing", Severity: Error}
	assert.Equal(t, "a.yaml:1: error: kind: is missing", f.String())
}

func TestWhatShowsASecret(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "hunter2": true, "QWxhZGRpbjpvcGVu==": true,
		"host=127.0.0.1 user=shop dbname=shop sslmode=disable": false,
		"host=127.0.0.1 user=shop password=x":                  true,
		"postgres://shop@127.0.0.1/shop":                       false,
		"postgres://shop:x@127.0.0.1/shop":                     true,
		"amqp://127.0.0.1:5672":                                false,
		"mqtt://127.0.0.1:1883":                                false,
		"shop@tcp(127.0.0.1:3306)/?timeout=2s":                 false,
		"shop:x@tcp(127.0.0.1:3306)/?timeout=2s":               true,
		"Endpoint=sb://a.b/;SharedAccessKey=x":                 true,
		"AccountEndpoint=https://a.b:443/;AccountKey=x":        true,
	} {
		assert.Equal(t, want, showsSecret(value), value)
	}
}

// FuzzRead feeds the reader anything: it must come back, and place what it finds in the file.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"embedded/state.yaml", "aws/mail.yaml", "kafka/pubsub.yaml"} {
		text, err := os.ReadFile(filepath.Join(shipped, name))
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte("a: &a [*a]\n---\nspec: &s {metadata: [{name: x, value: {y: z}}, 3, *s]}"))
	f.Add([]byte("kind: Component\nmetadata: {name: [a]}\nspec: 3\nscopes: {a: b}\nauth: x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := reader{file: "f.yaml"}
		r.documents(text)
		lines := strings.Count(string(text), "\n") + strings.Count(string(text), "\r") + strings.Count(string(text), "\u0085") +
			strings.Count(string(text), "\u2028") + strings.Count(string(text), "\u2029") + 2
		c := &checker{set: Set{Dir: "d", Components: r.components}, catalog: DaprCatalog(), findings: r.findings}
		c.names()
		for _, component := range r.components {
			c.component, c.faulty = component, map[string]bool{}
			c.check()
		}
		for _, finding := range c.findings {
			if finding.Line < 0 || finding.Line > lines || finding.Message == "" || finding.Severity == "" {
				t.Fatalf("%d lines: %+v", lines, finding)
			}
		}
	})
}
