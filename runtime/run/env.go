package run

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	namesDirEnv  = "SIDECART_NAMES_DIR"
	gatewayEnv   = "SIDECART_GATEWAY_ADDR"
	internalEnv  = "SIDECART_INTERNAL_PORT"
	apiTokenEnv  = "DAPR_API_TOKEN"
	appTokenEnv  = "APP_API_TOKEN"
	namesPattern = ".sidecart-names.db*"
)

// appEnv works out the entries the run file and the options give one app, with ports and the data folder as they are
// in this run. The caller's own entries (Options) win and are taken as they are, but for "127.0.0.1:0".
func (s *Stack) appEnv(app *App) (map[string]string, error) {
	env := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(app.Env)) {
		v, err := s.ports.value(name, rebase(app.Env[name], s.opts.File.DataDir, s.data.Path))
		if err != nil {
			return nil, fmt.Errorf("%s: env %s: %w", app.Name, name, err)
		}
		env[name] = v
	}
	for name, v := range s.opts.Env {
		if v == anyPortAddr {
			// One answer for the whole stack: the same entry is given to every process.
			if s.anyPorts[name] == "" {
				got, err := s.ports.value(name, v)
				if err != nil {
					return nil, fmt.Errorf("env %s: %w", name, err)
				}
				s.anyPorts[name] = got
			}
			v = s.anyPorts[name]
		}
		env[name] = v
	}
	for _, own := range []map[string]string{s.opts.AppEnv[app.ID], s.opts.AppEnv[app.Name]} {
		for name, v := range own {
			if v == anyPortAddr {
				var err error
				if v, err = s.ports.value(name, v); err != nil {
					return nil, fmt.Errorf("%s: env %s: %w", app.Name, name, err)
				}
			}
			env[name] = v
		}
	}
	env[DataDirEnv] = s.data.Path
	return env, nil
}

// rebase moves a path below the file's own data folder to the data folder of this run, also inside a longer value
// such as a connection string.
func rebase(value, from, to string) string {
	if from == "" {
		return value
	}
	if value == from {
		return to
	}
	var out strings.Builder
	rest, before := value, byte(0)
	for {
		i := strings.Index(rest, from+"/")
		if i < 0 {
			return out.String() + rest
		}
		if i > 0 {
			before = rest[i-1]
		}
		out.WriteString(rest[:i])
		if before == 0 || strings.IndexByte(`:=,;"' `, before) >= 0 {
			out.WriteString(to)
		} else {
			out.WriteString(from)
		}
		rest, before = rest[i+len(from):], '/'
	}
}

// processEnv is the complete environment of an app or a sidecar: the runner's own, without what an outer Dapr or
// an outer run may have left there, then the entries of the file and the options, then what Dapr gives.
func (s *Stack) processEnv(app *App, entries map[string]string, ports Ports) []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "DAPR_") || strings.HasPrefix(kv, "APP_")
	})
	add := func(name, value string) { env = append(env, name+"="+value) }
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		add(name, entries[name])
	}
	add("APP_ID", app.ID)
	add("APP_PORT", strconv.Itoa(ports.App))
	add("APP_PROTOCOL", app.AppProtocol)
	add(internalEnv, strconv.Itoa(ports.Internal))
	if app.Sidecar() {
		add("DAPR_HOST_IP", loopback)
		add("DAPR_HTTP_PORT", strconv.Itoa(ports.DaprHTTP))
		add("DAPR_GRPC_PORT", strconv.Itoa(ports.DaprGRPC))
		add(apiTokenEnv, s.tokens.API)
		add(appTokenEnv, s.tokens.App)
	}
	return env
}

// listed writes a path for daprd's flags that take a list: without quotes, a comma in it would end it.
func listed(path string) string {
	if !strings.ContainsAny(path, `,"`) {
		return path
	}
	return `"` + strings.ReplaceAll(path, `"`, `""`) + `"`
}

// daprdArgs is the sidecar's command line. What daprd can listen on is put on loopback.
func daprdArgs(app *App, resources []string, ports Ports) []string {
	args := []string{
		"--app-id", app.ID,
		"--app-port", strconv.Itoa(ports.App),
		"--app-protocol", app.AppProtocol,
		"--app-channel-address", loopback,
		"--dapr-http-port", strconv.Itoa(ports.DaprHTTP),
		"--dapr-grpc-port", strconv.Itoa(ports.DaprGRPC),
		"--dapr-listen-addresses", app.APIListenAddresses,
		"--dapr-internal-grpc-port", strconv.Itoa(ports.DaprInternalGRPC),
		"--dapr-internal-grpc-listen-address", loopback,
		"--placement-host-address", deref(app.Placement),
		"--scheduler-host-address", deref(app.Scheduler),
		"--dapr-graceful-shutdown-seconds", "5",
		"--log-as-json",
	}
	if ports.Metrics == 0 {
		args = append(args, "--enable-metrics=false")
	} else {
		args = append(args, "--metrics-port", strconv.Itoa(ports.Metrics), "--metrics-listen-address", loopback)
	}
	for _, r := range resources {
		args = append(args, "--resources-path", listed(r))
	}
	if app.HealthCheck {
		args = append(args, "--enable-app-health-check", "--app-health-check-path", app.HealthPath)
	}
	for _, option := range [][2]string{
		{"--config", listed(app.ConfigFile)},
		{"--log-level", cmp.Or(app.LogLevel, "info")},
		{"--max-body-size", app.MaxBodySize},
		{"--read-buffer-size", app.ReadBufferSize},
		{"--app-max-concurrency", number(app.MaxConcurrency)},
		{"--app-health-probe-interval", number(app.HealthIntervalSeconds)},
		{"--app-health-probe-timeout", number(app.HealthTimeoutMillis)},
		{"--app-health-threshold", number(app.HealthThreshold)},
	} {
		if option[1] != "" {
			args = append(args, option[0], option[1])
		}
	}
	if ports.Profile != 0 {
		args = append(args, "--enable-profiling", "--profile-port", strconv.Itoa(ports.Profile))
	}
	if app.APILogging {
		args = append(args, "--enable-api-logging")
	}
	return args
}

// number is empty for 0, the value that means "not given".
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// program resolves a command's first word as the Dapr CLI's shell would: with a slash relative to the app's folder.
func program(dir, word string) string {
	if strings.Contains(word, "/") && !filepath.IsAbs(word) {
		return filepath.Join(dir, word)
	}
	return word
}
