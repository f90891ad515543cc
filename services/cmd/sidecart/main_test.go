package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/telemetry"
)

// command runs the binary's main in-process with an environment.
func command(env map[string]string, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, func(name string) string { return env[name] }, &out, &err)
	return code, out.String(), err.String()
}

func TestHelpAndVersion(t *testing.T) {
	code, out, _ := command(nil, "serve", "--help")
	assert.Equal(t, exitOK, code)
	for _, want := range []string{"--services", "SIDECART_PAY_WITHIN", "DAPR_GRPC_PORT", "inventory, order, payment"} {
		assert.Contains(t, out, want)
	}
	code, out, _ = command(nil, "version")
	assert.Equal(t, exitOK, code)
	assert.True(t, strings.HasPrefix(out, "sidecart "), out)
	code, out, _ = command(nil, "--help")
	assert.Equal(t, exitOK, code)
	assert.Contains(t, out, "sandbox")
}

func TestWrongUseExitsWithTwoAndSaysWhy(t *testing.T) {
	sidecar := map[string]string{"DAPR_GRPC_PORT": "1"}
	for name, tc := range map[string]struct {
		env  map[string]string
		args []string
		want string
	}{
		"unknown command":  {nil, []string{"sell"}, "unknown command"},
		"unknown flag":     {nil, []string{"serve", "--fast"}, "unknown flag"},
		"stray argument":   {nil, []string{"serve", "all"}, "all"},
		"no sidecar":       {nil, []string{"serve"}, "DAPR_GRPC_PORT is not set"},
		"unknown service":  {sidecar, []string{"serve", "--services=order,shipping"}, `no service "shipping"`},
		"no service":       {sidecar, []string{"serve", "--services="}, `no service ""`},
		"shards flag":      {sidecar, []string{"serve", "--shards=0"}, "--shards: 0 is not a whole number from 1 to 256"},
		"bad OTLP":         {map[string]string{"DAPR_GRPC_PORT": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": "x"}, []string{"serve"}, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		"bad port":         {map[string]string{"APP_PORT": "http"}, []string{"serve"}, `APP_PORT: "http" is not a whole number`},
		"bad gateway addr": {map[string]string{"SIDECART_GATEWAY_ADDR": "8080"}, []string{"serve"}, "is not host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := command(tc.env, tc.args...)
			assert.Equal(t, exitUsage, code)
			assert.Contains(t, stderr, tc.want)
		})
	}
}

func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	env := map[string]string{
		"APP_PORT": "70000", "DAPR_HTTP_PORT": "0", "SIDECART_SHARDS": "257", "SIDECART_PAY_WITHIN": "1ms", "SIDECART_LOG_LEVEL": "loud",
		"SIDECART_LEAVE_IN_DANGER": "maybe", "SIDECART_ARCHIVE_AFTER": "soon",
	}
	var c config
	err := c.load(func(name string) string { return env[name] })
	require.Error(t, err)
	for name := range env {
		assert.ErrorContains(t, err, name)
	}
}

func TestEnvironmentReachesTheServicesAndSecretsStayOutOfTheLog(t *testing.T) {
	env := map[string]string{
		"APP_ID": "order", "APP_PORT": "7001", "APP_API_TOKEN": "hunter2", "DAPR_API_TOKEN": "hunter3", "DAPR_HTTP_PORT": "3500", "DAPR_GRPC_PORT": "50001",
		"SIDECART_PAY_WITHIN": "3s", "SIDECART_GATEWAY_ADDR": "127.0.0.1:0", "SIDECART_SHARDS": "4", "SIDECART_LOG_LEVEL": "debug",
		"SIDECART_PPROF_TOKEN": "hunter4-is-long-enough", "SIDECART_LEAVE_IN_DANGER": "true",
	}
	var c config
	require.NoError(t, c.load(func(name string) string { return env[name] }))
	assert.Equal(t, 7001, c.host.AppPort)
	assert.Equal(t, "hunter2", c.host.AppToken)
	assert.Equal(t, "hunter3", c.host.DaprToken)
	assert.Equal(t, "hunter3", c.sidecar.Token)
	assert.Equal(t, 3500, c.sidecar.HTTPPort)
	assert.Equal(t, 3*time.Second, c.payWithin)
	assert.Equal(t, 4, c.journal().Shards)
	assert.Equal(t, "hunter4-is-long-enough", c.host.PProfToken)
	assert.True(t, c.host.Vitals.Leave)

	var out bytes.Buffer
	c.log(telemetry.NewLogger(&out, slog.LevelDebug), []string{"order"})
	assert.Contains(t, out.String(), `"SIDECART_PAY_WITHIN":"3s"`)
	assert.Contains(t, out.String(), `"APP_API_TOKEN":"***"`)
	assert.NotContains(t, out.String(), "hunter")
	for _, s := range c.table() {
		assert.NotEmpty(t, s.help, s.env)
		assert.Contains(t, out.String(), `"`+s.env+`"`)
	}
}

func TestServicesAreChosenInTheTablesOrder(t *testing.T) {
	chosen, err := choose("payment, inventory")
	require.NoError(t, err)
	assert.Equal(t, []string{"inventory", "payment"}, chosen)
	chosen, err = choose("all")
	require.NoError(t, err)
	assert.Equal(t, names(), chosen)
}
