package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder turns YAML nodes into values and errors that name file, line and field. Decoding by hand, because a
// struct decoder names either the line or the field, and a misspelt field must never be passed over in silence.
type decoder struct{ file string }

type fieldFunc func(n *yaml.Node, at string) error

type fields map[string]fieldFunc

// Fields the Dapr CLI knows and this runner does not act on. Passing over them would start something else than what the file says.
var (
	sharedUnsupported = []string{"appSSL", "enableProfiling"}
	appUnsupported    = []string{
		"profilePort", "unixDomainSocket", "appChannelAddress", "containerImage", "containerImagePullPolicy", "createService",
	}
)

func (d *decoder) errorf(n *yaml.Node, at, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s: %s", d.file, n.Line, at, fmt.Sprintf(format, args...))
}

// object calls the function of each field of a mapping and refuses fields that are unknown, unsupported or repeated.
func (d *decoder) object(n *yaml.Node, at string, known fields, unsupported []string) error {
	if n.Kind != yaml.MappingNode {
		return d.errorf(n, at, "want a mapping of fields")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		where := strings.TrimPrefix(at+"."+key.Value, ".")
		if seen[key.Value] {
			return d.errorf(key, where, "given twice")
		}
		seen[key.Value] = true
		decode, ok := known[key.Value]
		switch {
		case ok:
			if err := decode(value, where); err != nil {
				return err
			}
		case slices.Contains(unsupported, key.Value) || slices.Contains(sharedUnsupported, key.Value):
			return d.errorf(key, where, "the Dapr CLI knows this field, this runner does not support it")
		default:
			return d.errorf(key, where, "unknown field")
		}
	}
	return nil
}

// settings are the fields that both the common section and an app may have; paths are relative to base.
func (d *decoder) settings(s *Settings, base string) fields {
	return fields{
		"configFilePath":         d.path(&s.ConfigFile, base),
		"appProtocol":            d.text(&s.AppProtocol),
		"apiListenAddresses":     d.text(&s.APIListenAddresses),
		"logLevel":               d.oneOf(&s.LogLevel, "debug", "info", "warn", "error", "fatal", "panic"),
		"appMaxConcurrency":      d.integer(&s.MaxConcurrency, -1, 1<<20),
		"placementHostAddress":   d.optionalText(&s.Placement),
		"schedulerHostAddress":   d.optionalText(&s.Scheduler),
		"resourcesPath":          d.addPath(&s.ResourcesPaths, base),
		"resourcesPaths":         d.addPaths(&s.ResourcesPaths, base),
		"maxBodySize":            d.text(&s.MaxBodySize),
		"readBufferSize":         d.text(&s.ReadBufferSize),
		"enableAppHealthCheck":   d.boolean(&s.HealthCheck),
		"appHealthCheckPath":     d.urlPath(&s.HealthPath),
		"appHealthProbeInterval": d.integer(&s.HealthIntervalSeconds, 1, 3600),
		"appHealthProbeTimeout":  d.integer(&s.HealthTimeoutMillis, 1, 3_600_000),
		"appHealthThreshold":     d.integer(&s.HealthThreshold, 1, 1000),
		"enableApiLogging":       d.boolean(&s.APILogging),
		"runtimePath":            d.location(&s.RuntimePath, base),
		"env":                    d.env(&s.Env),
		"appLogDestination":      d.logDestination(&s.AppLog),
		"daprdLogDestination":    d.logDestination(&s.DaprdLog),
	}
}

func (d *decoder) scalar(n *yaml.Node, at string) (string, error) {
	if n.Kind != yaml.ScalarNode {
		return "", d.errorf(n, at, "want a single value")
	}
	if n.Tag == "!!null" {
		return "", nil
	}
	return n.Value, nil
}

func (d *decoder) text(dst *string) fieldFunc {
	return func(n *yaml.Node, at string) (err error) {
		*dst, err = d.scalar(n, at)
		return err
	}
}

func (d *decoder) optionalText(dst **string) fieldFunc {
	return func(n *yaml.Node, at string) error {
		v, err := d.scalar(n, at)
		*dst = &v
		return err
	}
}

func (d *decoder) oneOf(dst *string, allowed ...string) fieldFunc {
	return func(n *yaml.Node, at string) error {
		v, err := d.scalar(n, at)
		if err != nil {
			return err
		}
		if !slices.Contains(allowed, v) {
			return d.errorf(n, at, "%q: want one of %s", v, strings.Join(allowed, ", "))
		}
		*dst = v
		return nil
	}
}

func (d *decoder) logDestination(dst *LogDestination) fieldFunc {
	return func(n *yaml.Node, at string) error {
		return d.oneOf((*string)(dst), string(LogConsole), string(LogFile), string(LogFileAndConsole))(n, at)
	}
}

func (d *decoder) urlPath(dst *string) fieldFunc {
	return func(n *yaml.Node, at string) error {
		v, err := d.scalar(n, at)
		if err == nil && !strings.HasPrefix(v, "/") {
			return d.errorf(n, at, "%q: want a path that starts with /", v)
		}
		*dst = v
		return err
	}
}

func (d *decoder) integer(dst *int, low, high int) fieldFunc {
	return func(n *yaml.Node, at string) error {
		v, err := d.scalar(n, at)
		if err != nil {
			return err
		}
		i, err := strconv.Atoi(v)
		if err != nil || i < low || i > high {
			return d.errorf(n, at, "%q: want a whole number from %d to %d", v, low, high)
		}
		*dst = i
		return nil
	}
}

func (d *decoder) boolean(dst *bool) fieldFunc {
	return func(n *yaml.Node, at string) error {
		v, err := d.scalar(n, at)
		if err != nil {
			return err
		}
		if v != "true" && v != "false" {
			return d.errorf(n, at, "%q: want true or false", v)
		}
		*dst = v == "true"
		return nil
	}
}

func (d *decoder) texts(dst *[]string) fieldFunc {
	return func(n *yaml.Node, at string) error {
		if n.Kind != yaml.SequenceNode {
			return d.errorf(n, at, "want a list")
		}
		for i, item := range n.Content {
			v, err := d.scalar(item, fmt.Sprintf("%s[%d]", at, i))
			if err != nil {
				return err
			}
			*dst = append(*dst, v)
		}
		return nil
	}
}

func (d *decoder) env(dst *map[string]string) fieldFunc {
	return func(n *yaml.Node, at string) error {
		if n.Kind != yaml.MappingNode {
			return d.errorf(n, at, "want a mapping of names to values")
		}
		*dst = map[string]string{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			where := at + "." + name
			if name == "" || strings.ContainsAny(name, "= \x00") {
				return d.errorf(n.Content[i], where, "not a name for an environment variable")
			}
			if _, twice := (*dst)[name]; twice {
				return d.errorf(n.Content[i], where, "given twice")
			}
			v, err := d.scalar(n.Content[i+1], where)
			if err != nil {
				return err
			}
			(*dst)[name] = v
		}
		return nil
	}
}

// path resolves a path as location does and requires that it exists.
func (d *decoder) path(dst *string, base string) fieldFunc {
	return func(n *yaml.Node, at string) error {
		if err := d.location(dst, base)(n, at); err != nil || *dst == "" {
			return err
		}
		_, err := os.Stat(*dst)
		if errors.Is(err, os.ErrNotExist) {
			return d.errorf(n, at, "%s does not exist", *dst)
		}
		if err != nil {
			return d.errorf(n, at, "%v", err)
		}
		return nil
	}
}

// location resolves a path against base, or the home directory for ~/. What is built later need not exist yet.
func (d *decoder) location(dst *string, base string) fieldFunc {
	return func(n *yaml.Node, at string) error {
		v, err := d.scalar(n, at)
		if err != nil || v == "" {
			return err
		}
		if rest, ok := strings.CutPrefix(v, "~/"); ok {
			home, err := os.UserHomeDir()
			if err != nil {
				return d.errorf(n, at, "%q: %v", v, err)
			}
			v = filepath.Join(home, rest)
		}
		if !filepath.IsAbs(v) {
			v = filepath.Join(base, v)
		}
		*dst = v
		return nil
	}
}

func (d *decoder) addPath(dst *[]string, base string) fieldFunc {
	return func(n *yaml.Node, at string) error {
		var p string
		if err := d.path(&p, base)(n, at); err != nil {
			return err
		}
		if p != "" {
			*dst = append(*dst, p)
		}
		return nil
	}
}

func (d *decoder) addPaths(dst *[]string, base string) fieldFunc {
	return func(n *yaml.Node, at string) error {
		if n.Kind != yaml.SequenceNode {
			return d.errorf(n, at, "want a list")
		}
		for i, item := range n.Content {
			if err := d.addPath(dst, base)(item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
		return nil
	}
}

// child returns the value of a mapping's field, nil if there is none.
func child(n *yaml.Node, name string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}
