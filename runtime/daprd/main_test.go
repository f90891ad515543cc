package main

import (
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/dapr/dapr/cmd/daprd/options"
	"github.com/stretchr/testify/assert"
)

// asDaprd makes the test binary be daprd: it has everything linked in, so the
// tests run the real command without a second build that could be stale.
const asDaprd = "SIDECART_TEST_AS_DAPRD"

func TestMain(m *testing.M) {
	if os.Getenv(asDaprd) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestEveryFlagReachesTheRuntime guards against a flag that is accepted and
// then forgotten, after an upgrade of Dapr above all.
func TestEveryFlagReachesTheRuntime(t *testing.T) {
	opts := &options.Options{}
	fill(t, reflect.ValueOf(opts).Elem())
	cfg := reflect.ValueOf(runtimeConfig(opts)).Elem()

	setElsewhere := map[string]bool{"Metrics": true, "Registry": true, "Security": true, "Healthz": true,
		"WorkflowEventSink": true, // for programs that embed the workflow engine
	}
	for i := range cfg.NumField() {
		if name := cfg.Type().Field(i).Name; !setElsewhere[name] {
			assert.False(t, cfg.Field(i).IsZero(), "runtime.Config.%s is not taken from the command line", name)
		}
	}
}

// fill gives every simple field a value that is not its zero.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		switch field := v.Field(i); field.Interface().(type) {
		case string:
			field.SetString("x")
		case bool:
			field.SetBool(true)
		case int, time.Duration:
			field.SetInt(1)
		case uint:
			field.SetUint(1)
		case []string:
			field.Set(reflect.ValueOf([]string{"x"}))
		case *bool, *time.Duration:
			field.Set(reflect.New(field.Type().Elem()))
		}
	}
}
