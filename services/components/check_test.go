package components

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var shipped = filepath.Join("..", "..", "components")

// shippedSets are the folders that are shipped. Go's test cache does not see changes in them: scripts/test runs this package
// with -count=1.
func shippedSets(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(shipped)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestShippedSetsAreSound checks every set that is shipped: no error and no warning.
func TestShippedSetsAreSound(t *testing.T) {
	names := shippedSets(t)
	assert.Subset(t, names, []string{"embedded", "redis", "postgres", "mysql", "kafka", "aws", "azure", "gcp", "aliyun"})
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			findings, err := Check(filepath.Join(shipped, name))
			require.NoError(t, err)
			for _, f := range findings {
				assert.Fail(t, f.String())
			}
			_, err = Load(filepath.Join(shipped, name))
			assert.NoError(t, err)
		})
	}
}

func TestSecretStoreThatAnAppCannotSee(t *testing.T) {
	dir := changed(t, "redis", change{"secrets.yaml", "spec:\n", "scopes: [inventory, order, payment, account, gateway, sidecart]\nspec:\n"})
	findings, err := Check(dir)
	require.NoError(t, err)
	var about []string
	for _, f := range findings {
		assert.Contains(t, f.Message, "notify is not in the scopes of secrets")
		about = append(about, f.Component)
	}
	assert.ElementsMatch(t, []string{"mail", "pubsub", "sms", "state"}, about)
}

func TestValueWithAPasswordIsNeverShown(t *testing.T) {
	dir := changed(t, "embedded", change{"sms.yaml", "http://127.0.0.1:8090/sms", "host=here password=hunter2"})
	findings, err := Check(dir)
	require.NoError(t, err)
	require.Len(t, findings, 2, "no URL, and a password in the file")
	for _, f := range findings {
		assert.Equal(t, "url", f.Field)
		assert.NotContains(t, f.String(), "hunter2")
	}
}

func TestOldNamesOfFieldsAreTaken(t *testing.T) {
	dir := changed(t, "postgres", change{"state.yaml", "- name: connectionString", "- name: url"}, change{"state.yaml", "- name: timeout\n      value: \"6s\"", "- name: timeoutInSeconds\n      value: \"6\""})
	findings, err := Check(dir)
	require.NoError(t, err)
	assert.Empty(t, findings)
}

// TestTheFileForKubernetesIsNoComponent: k8s/ takes a set's files by it, and it lists every one of them.
func TestTheFileForKubernetesIsNoComponent(t *testing.T) {
	for _, name := range shippedSets(t) {
		text, err := os.ReadFile(filepath.Join(shipped, name, "kustomization.yaml"))
		if errors.Is(err, os.ErrNotExist) {
			continue // no overlay of k8s/ takes this set
		}
		require.NoError(t, err)
		set, err := Load(filepath.Join(shipped, name))
		require.NoError(t, err)
		for _, c := range set.Components {
			if strings.HasPrefix(c.Type, "configuration.") {
				continue // in Kubernetes the gateway's rules are a ConfigMap: its sidecar reaches no store
			}
			assert.Contains(t, string(text), "  - "+filepath.Base(c.File)+"\n", name)
		}
	}
	findings, err := Check(changed(t, "redis", change{"kustomization.yaml", "kind: Kustomization", "kind: Kustomisation"}))
	require.NoError(t, err)
	assert.NotEmpty(t, findings, "what is neither ours nor Dapr's is told")
}

// TestOutsideWorldIsTheSameInEverySet keeps the files about the outside world equal: they differ between a machine of one's own
// and a cloud, and by nothing else.
func TestOutsideWorldIsTheSameInEverySet(t *testing.T) {
	cloud := map[string]bool{"aws": true, "azure": true, "gcp": true, "aliyun": true}
	for _, name := range shippedSets(t) {
		model, files := "embedded", []string{"mail.yaml", "sms.yaml", "payment-provider.yaml", "secrets.yaml"}
		if cloud[name] {
			model, files = "aws", files[:3]
		}
		for _, file := range files {
			want, err := os.ReadFile(filepath.Join(shipped, model, file))
			require.NoError(t, err)
			got, err := os.ReadFile(filepath.Join(shipped, name, file))
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got), "components/%s/%s and components/%s/%s", model, file, name, file)
		}
	}
}

// change is what a test does to a copy of a shipped set: it replaces the one place where old stands in a file. Without old, new
// is the whole file.
type change struct{ file, old, new string }

// changed copies a shipped set and makes the changes.
func changed(t *testing.T, set string, changes ...change) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(shipped, set))))
	for _, c := range changes {
		path := filepath.Join(dir, c.file)
		text := c.new
		if c.old != "" {
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(before), c.old), "%q in %s", c.old, path)
			text = strings.Replace(string(before), c.old, c.new, 1)
		}
		require.NoError(t, os.Chmod(dir, 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

// lineIn is the line of a file on which text first stands, from 1.
func lineIn(t *testing.T, path, text string) int {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	before, _, found := strings.Cut(string(content), text)
	require.True(t, found, "%q in %s", text, path)
	return strings.Count(before, "\n") + 1
}

// TestEachMistakeIsFoundOnceAndInItsLine makes one mistake in a sound set and wants one finding, in the line of the mistake.
func TestEachMistakeIsFoundOnceAndInItsLine(t *testing.T) {
	tests := []struct {
		name     string
		set      string
		change   change
		at       string // on the line where this stands; none: about the file or set as a whole
		severity Severity
		field    string
		want     []string // parts of the message
	}{
		{"misspelt field", "redis", change{"state.yaml", "name: redisHost", "name: redisHots"}, "redisHots", Error, "redisHots",
			[]string{"is no field of state.redis v1", "did you mean redisHost?", "redisPassword"}},
		{"capital in a field", "postgres", change{"pubsub.yaml", "name: prefetchCount", "name: prefetchcount"}, "prefetchcount", Error, "prefetchcount",
			[]string{"did you mean prefetchCount?"}},
		{"unknown type", "redis", change{"state.yaml", "type: state.redis", "type: state.rediss"}, "state.rediss", Error, "spec.type",
			[]string{"no component type state.rediss", "did you mean state.redis?", "state.postgresql"}},
		{"unknown version", "postgres", change{"state.yaml", "version: v2", "version: v3"}, "version: v3", Error, "spec.version",
			[]string{"no v3 of state.postgresql, but v1, v2"}},
		{"no version", "postgres", change{"state.yaml", "  version: v2\n", ""}, "type: state.postgresql", Error, "spec.version",
			[]string{"is missing", "v1, v2"}},
		{"no number", "postgres", change{"state.yaml", `value: "10"`, `value: "ten"`}, `"ten"`, Error, "maxConns", []string{`"ten" is no number`}},
		{"no duration", "postgres", change{"state.yaml", `value: "6s"`, `value: "6 seconds"`}, "6 seconds", Error, "timeout", []string{"is no duration"}},
		{"no bool", "postgres", change{"pubsub.yaml", "- name: durable\n      value: \"true\"", "- name: durable\n      value: \"ture\""}, `"ture"`, Error, "durable",
			[]string{`"ture" is no true or false`}},
		{"no size", "embedded", change{"sms.yaml", `"64Ki"`, `"64 kilo"`}, "64 kilo", Error, "maxResponseBodySize", []string{"is no size in bytes"}},
		{"no URL", "embedded", change{"sms.yaml", "http://127.0.0.1:8090/sms", "127.0.0.1:8090/sms"}, "8090/sms", Error, "url", []string{"is no URL with scheme and host"}},
		{"value not allowed", "kafka", change{"pubsub.yaml", `value: "oldest"`, `value: "earliest"`}, `"earliest"`, Error, "initialOffset",
			[]string{`"earliest" is not allowed`, "newest, oldest"}},
		{"misspelt placeholder", "redis", change{"pubsub.yaml", "{appID}", "{appId}"}, "{appId}", Error, "consumerID", []string{"daprd knows {appID}"}},
		{"field twice", "redis", change{"state.yaml", "- name: keyPrefix", "- name: poolTimeout\n      value: \"2s\"\n    - name: keyPrefix"}, "- name: poolTimeout\n      value: \"1s\"", Error, "poolTimeout",
			[]string{"is also in line"}},
		{"required field missing", "kafka", change{"pubsub.yaml", "    - name: authType\n      value: \"none\"\n", ""}, "name: brokers", Error, "authType", []string{"is missing"}},
		{"way to authenticate incomplete", "kafka", change{"pubsub.yaml", `value: "none"`, `value: "password"`}, "name: brokers", Error, "saslUsername",
			[]string{"cannot connect without saslUsername and saslPassword"}},
		{"required value empty", "redis", change{"pubsub.yaml", "value: \"127.0.0.1:6379\"\n      secretKeyRef:\n        name: REDIS_HOST\n        key: REDIS_HOST", `value: ""`},
			"name: redisHost", Error, "redisHost", []string{"is missing: pubsub.redis needs it"}},
		{"prefix of keys", "redis", change{"state.yaml", `value: "none"`, `value: "appid"`}, `"appid"`, Error, "keyPrefix", []string{"want none"}},
		{"no prefix of keys", "aws", change{"state.yaml", "    - name: keyPrefix\n      value: \"none\"\n", ""}, "name: region", Error, "keyPrefix",
			[]string{"is missing, which means the app id"}},
		{"everything expires", "redis", change{"state.yaml", "- name: keyPrefix", "- name: ttlInSeconds\n      value: \"3600\"\n    - name: keyPrefix"}, "3600", Error, "ttlInSeconds",
			[]string{"every key would expire"}},
		{"clean-up", "postgres", change{"state.yaml", `value: "0s"`, `value: "1h"`}, `"1h"`, Warning, "cleanupInterval", []string{"want 0s"}},
		{"long timeout", "postgres", change{"state.yaml", `value: "6s"`, `value: "20s"`}, `"20s"`, Warning, "timeout", []string{"longer than the 8s"}},
		{"Dapr's outbox", "postgres", change{"state.yaml", "- name: keyPrefix", "- name: outboxPublishPubsub\n      value: pubsub\n    - name: keyPrefix"}, "value: pubsub", Warning,
			"outboxPublishPubsub", []string{"leave it out"}},
		{"queue deleted when unused", "postgres", change{"pubsub.yaml", "- name: deletedWhenUnused\n      value: \"false\"\n", ""}, "name: connectionString", Error, "deletedWhenUnused",
			[]string{"is missing, which means true", "are deleted when its last sidecar goes away", "want false"}},
		{"acknowledged too early", "postgres", change{"pubsub.yaml", "- name: durable", "- name: autoAck\n      value: \"true\"\n    - name: durable"}, "value: \"true\"\n    - name: durable", Error, "autoAck",
			[]string{"before the app has them"}},
		{"field that is listed and not read", "postgres", change{"pubsub.yaml", "- name: durable", "- name: concurrency\n      value: single\n    - name: durable"}, "value: single\n", Warning,
			"concurrency", []string{"it reads concurrencyMode"}},
		{"same identity for all apps", "redis", change{"pubsub.yaml", `"{appID}"`, `"shop"`}, `"shop"`, Warning, "consumerID", []string{"apps must not"}},
		{"no durable name", "embedded", change{"pubsub.yaml", "    - name: durableName\n      value: \"{appID}\"\n", ""}, "name: natsURL", Error, "durableName", []string{"want {appID}"}},
		{"stream without a bound", "redis", change{"pubsub.yaml", "    - name: maxLenApprox\n      value: \"2000\"\n", ""}, "name: redisHost", Warning, "maxLenApprox", []string{"is missing"}},
		{"subscription deleted when idle", "azure", change{"pubsub.yaml", "- name: autoDeleteOnIdleInSec\n      value: \"0\"", "- name: autoDeleteOnIdleInSec\n      value: \"600\""}, `"600"`,
			Error, "autoDeleteOnIdleInSec", []string{"are deleted"}},
		{"password in the file", "kafka", change{"pubsub.yaml", "- name: version", "- name: saslPassword\n      value: \"hunter2\"\n    - name: version"}, "hunter2", Error, "saslPassword",
			[]string{"a secret stands in the file"}},
		{"password in a default", "postgres", change{"state.yaml", "user=sidecart", "user=sidecart password=hunter2"}, "hunter2", Warning, "connectionString",
			[]string{"a password stands in the file"}},
		{"password in a URL", "postgres", change{"pubsub.yaml", "amqp://127", "amqp://shop:hunter2@127"}, "hunter2", Warning, "connectionString", []string{"a password stands in the file"}},
		{"password in a field that is not called secret", "embedded", change{"pubsub.yaml", "nats://127", "nats://shop:hunter2@127"}, "hunter2", Warning, "natsURL",
			[]string{"a password stands in the file"}},
		{"refusals as failures", "redis", change{"payment-provider.yaml", "    - name: errorIfNot2XX\n      value: \"false\"\n", ""}, "name: direction", Error, "errorIfNot2XX",
			[]string{"is missing, which means true", "tried again and again", "want false"}},
		{"no secret store named", "redis", change{"state.yaml", "auth:\n  secretStore: secrets\n", ""}, "name: REDIS_HOST", Error, "redisHost", []string{"without auth.secretStore"}},
		{"wrong secret store", "embedded", change{"state.yaml", "secretStore: secrets", "secretStore: secret"}, "secretStore: secret", Error, "auth.secretStore",
			[]string{`no component "secret"`, "did you mean secrets?"}},
		{"secret store that is none", "embedded", change{"state.yaml", "secretStore: secrets", "secretStore: mail"}, "secretStore: mail", Error, "auth.secretStore", []string{"is no secret store"}},
		{"impossible name of a secret", "azure", change{"state.yaml", "name: sidecart-postgres-dsn\n", "name: POSTGRES_DSN\n"}, "name: POSTGRES_DSN", Error, "connectionString",
			[]string{`"POSTGRES_DSN" can be no name of a secret`}},
		{"variable that daprd keeps", "aws", change{"state.yaml", "envRef: SIDECART_AWS_REGION", "envRef: DAPR_API_TOKEN"}, "name: region", Error, "region", []string{"keeps the variable DAPR_API_TOKEN"}},
		{"variable and value", "aws", change{"state.yaml", "envRef: SIDECART_AWS_REGION", "envRef: SIDECART_AWS_REGION\n      value: eu-west-1"}, "eu-west-1", Error, "region",
			[]string{"envRef goes before value"}},
		{"unknown app in scopes", "redis", change{"sms.yaml", "[notify, sidecart]", "[notify, sidecart, notfiy]"}, "scopes:", Error, "scopes", []string{`no app "notfiy"`, "did you mean notify?"}},
		{"app missing in scopes", "redis", change{"sms.yaml", "[notify, sidecart]", "[notify]"}, "scopes:", Error, "scopes", []string{"sidecart is not in it and needs sms"}},
		{"app too many in scopes", "redis", change{"sms.yaml", "[notify, sidecart]", "[notify, sidecart, gateway]"}, "scopes:", Warning, "scopes", []string{"gateway has no use for sms"}},
		{"no scopes", "redis", change{"sms.yaml", "scopes: [notify, sidecart]\n", ""}, "apiVersion", Warning, "scopes", []string{"every app sees sms"}},
		{"key that Dapr does not read", "redis", change{"state.yaml", "initTimeout:", "initTimeOut:"}, "initTimeOut", Error, "spec.initTimeOut", []string{"did you mean initTimeout?"}},
		{"no duration for the start", "redis", change{"state.yaml", "initTimeout: 30s", "initTimeout: half a minute"}, "half a minute", Error, "spec.initTimeout", []string{"is no duration"}},
		{"errors ignored", "redis", change{"state.yaml", "initTimeout:", "ignoreErrors: true\n  initTimeout:"}, "ignoreErrors", Error, "spec.ignoreErrors", []string{"start without state"}},
		{"wrong kind", "redis", change{"sms.yaml", "kind: Component", "kind: Komponent"}, "Komponent", Error, "kind", []string{`is "Komponent": want Component`}},
		{"wrong group", "redis", change{"sms.yaml", "dapr.io/v1alpha1", "dapr.io/v1"}, "dapr.io/v1", Error, "apiVersion", []string{"want dapr.io/v1alpha1"}},
		{"no YAML", "redis", change{"extra.yaml", "", "kind: Component\n  name: [\n"}, "name: [", Error, "", []string{"daprd would pass over this file"}},
		{"binding that the services cannot use", "redis", change{"sms.yaml", "type: bindings.http", "type: bindings.graphql"}, "bindings.graphql", Error, "spec.type",
			[]string{"cannot use bindings.graphql for sms: take bindings.http"}},
		{"another building block", "redis", change{"pubsub.yaml", "type: pubsub.redis", "type: bindings.redis"}, "bindings.redis", Error, "spec.type",
			[]string{"pubsub must be a pubsub component and not bindings.redis"}},
		{"second broker", "redis", change{"pubsub-next.yaml", "", "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: pubsub-next\nspec:\n  type: pubsub.jetstream\n  version: v1\n" +
			"  metadata:\n    - {name: natsURL, value: \"nats://127.0.0.1:4222\"}\n    - {name: durableName, value: \"{appID}\"}\n"},
			"natsURL", Error, "queueGroupName", []string{"each replica gets every message"}},
		{"second broker that does not do", "redis", change{"pubsub-next.yaml", "", "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: pubsub-next\nspec:\n  type: pubsub.in-memory\n  version: v1\n"},
			"pubsub.in-memory", Error, "spec.type", []string{"does not do"}},
		{"secret store under another name", "redis", change{"more.yaml", "", "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: vault\nspec:\n  type: secretstores.local.env\n  version: v1\n"},
			"name: vault", Error, "metadata.name", []string{"call the secret store secrets"}},
		{"name twice", "redis", change{"state2.yaml", "", "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: secrets\nspec:\n  type: secretstores.local.env\n  version: v1\n"},
			"name: secrets", Error, "metadata.name", []string{"is also in", "secrets.yaml:12"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := changed(t, tt.set, tt.change)
			findings, err := Check(dir)
			require.NoError(t, err)
			require.Len(t, findings, 1, "%v", findings)
			f, path := findings[0], filepath.Join(dir, tt.change.file)
			assert.Equal(t, fmt.Sprintf("%s:%d", path, lineIn(t, path, tt.at)), fmt.Sprintf("%s:%d", f.File, f.Line))
			assert.Equal(t, tt.severity, f.Severity, f.Message)
			assert.Equal(t, tt.field, f.Field, f.Message)
			for _, part := range tt.want {
				assert.Contains(t, f.Message, part)
			}
			assert.NotContains(t, f.String(), "hunter2", "no finding shows a secret")
		})
	}
}
