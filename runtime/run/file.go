package run

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"
)

const (
	// SidecarEnv is the environment entry that, with the value "none", marks an app as infrastructure: no sidecar, started first.
	SidecarEnv = "SIDECART_SIDECAR"
	// DataDirEnv is the environment entry that names the data folder; values below that folder move with Options.DataDir.
	DataDirEnv = "SIDECART_DATA_DIR"

	// ReadyPathEnv is the environment entry that names a second path of an app with a sidecar, asked beside its health path
	// before the app counts as ready. Health, which gates events, must not depend on a store; readiness may.
	ReadyPathEnv = "SIDECART_READY_PATH"

	maxRunFileBytes = 1 << 20
	defaultHealth   = "/healthz"
)

// LogDestination says where a process's output goes, as in the Dapr CLI. This runner always writes the file.
type LogDestination string

// The values the Dapr CLI knows.
const (
	LogConsole        LogDestination = "console"
	LogFile           LogDestination = "file"
	LogFileAndConsole LogDestination = "fileAndConsole"
)

// File is a run file, checked, with paths made absolute and the common section merged into every app.
type File struct {
	Path string // absolute
	Name string
	Apps []App // in file order
	// DataDir is the file's own name for its data folder (common.env SIDECART_DATA_DIR), as written. Empty if it has none.
	DataDir string
}

// Settings are the fields that an app may have of its own or take from the common section.
type Settings struct {
	ConfigFile            string
	AppProtocol           string
	APIListenAddresses    string
	LogLevel              string
	MaxBodySize           string
	ReadBufferSize        string
	MaxConcurrency        int
	Placement             *string // nil: none given
	Scheduler             *string // nil: none given
	ResourcesPaths        []string
	HealthCheck           bool
	HealthPath            string
	HealthIntervalSeconds int
	HealthTimeoutMillis   int
	HealthThreshold       int
	APILogging            bool
	RuntimePath           string // folder that holds .dapr/bin/daprd
	Env                   map[string]string
	AppLog, DaprdLog      LogDestination
}

// App is one entry of a run file. A port of 0 means that the runner gives a free one.
type App struct {
	Settings
	ID string
	// Name is what the app's process is called: the ID, and for the second and third entry with one ID (its replicas) ID-2, ID-3.
	Name    string
	Dir     string // absolute; the working directory of the app and of its sidecar
	Command []string

	AppPort, DaprHTTPPort, DaprGRPCPort, DaprInternalGRPCPort, MetricsPort int
}

// Sidecar reports whether the app gets a Dapr sidecar; one without is infrastructure.
func (a *App) Sidecar() bool { return a.Env[SidecarEnv] != "none" }

var validAppID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// Load reads and checks a run file. It starts nothing and writes nothing. Errors name the file, the line and the field.
func Load(path string) (*File, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("run file: %w", err)
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, fmt.Errorf("run file: %w", err)
	}
	if info.Size() > maxRunFileBytes {
		return nil, fmt.Errorf("run file %s: %d bytes, at most %d allowed", path, info.Size(), maxRunFileBytes)
	}
	raw, err := os.ReadFile(abs)
	if err != nil {
		return nil, fmt.Errorf("run file: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("run file %s: %w", path, err)
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("run file %s: empty", path)
	}
	d := &decoder{file: path}
	f, err := d.runFile(doc.Content[0], filepath.Dir(abs))
	if err != nil {
		return nil, err
	}
	f.Path = abs
	return f, nil
}

// runFile decodes the top level. The common section is decoded first wherever it stands, because apps are merged with it.
func (d *decoder) runFile(root *yaml.Node, base string) (*File, error) {
	f := &File{}
	var version int
	var common Settings
	var apps *yaml.Node
	err := d.object(root, "", fields{
		"version": d.integer(&version, 1, 1),
		"name":    d.text(&f.Name),
		"common": func(n *yaml.Node, at string) error {
			return d.object(n, at, d.settings(&common, base), nil)
		},
		"apps": func(n *yaml.Node, at string) error {
			if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
				return d.errorf(n, at, "want a list of apps")
			}
			apps = n
			return nil
		},
	}, nil)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		return nil, d.errorf(root, "version", "required, and only 1 is known")
	}
	if apps == nil {
		return nil, d.errorf(root, "apps", "required")
	}
	f.DataDir = common.Env[DataDirEnv]
	for i, n := range apps.Content {
		at := fmt.Sprintf("apps[%d]", i)
		app, err := d.app(n, at, base)
		if err != nil {
			return nil, err
		}
		app.adopt(&common)
		f.Apps = append(f.Apps, app)
	}
	return f, d.nameApps(f.Apps, apps.Content)
}

// nameApps names every app's processes and checks that no two would be called the same or have the same port.
func (d *decoder) nameApps(apps []App, nodes []*yaml.Node) error {
	portOf := map[int]string{}
	for i := range apps {
		n, at := nodes[i], fmt.Sprintf("apps[%d]", i)
		if err := nameApp(&apps[i], apps[:i]); err != nil {
			return d.errorf(n, at+".appID", "%v", err)
		}
		for _, p := range apps[i].filePorts() {
			if p.number != 0 && portOf[p.number] != "" {
				return d.errorf(n, at+"."+p.field, "%d is also %s", p.number, portOf[p.number])
			}
			portOf[p.number] = at + "." + p.field
		}
	}
	return nil
}

// nameApp names an app's process after those before it. An app ID that comes again is a replica: another process and sidecar of
// the same app, between which name resolution and the broker share the work. Infrastructure is one process by its nature.
func nameApp(app *App, before []App) error {
	replica := 1
	for _, b := range before {
		if b.ID == app.ID {
			replica++
		}
	}
	app.Name = app.ID
	if replica > 1 {
		if !app.Sidecar() {
			return fmt.Errorf("%q is used twice: only an app with a sidecar can have replicas", app.ID)
		}
		app.Name = fmt.Sprintf("%s-%d", app.ID, replica)
	}
	for _, b := range before {
		if b.Name == app.Name || b.Name+sidecarSuffix == app.Name || b.Name == app.Name+sidecarSuffix {
			return fmt.Errorf("its process would be called %q, and another one is", app.Name)
		}
	}
	return nil
}

// Replicate adds replicas of an app with a sidecar until the file has n of it; their ports are free ones, and they have none for
// Dapr's metrics. It takes none away.
func (f *File) Replicate(id string, n int) error {
	isIt := func(a App) bool { return a.ID == id }
	first := slices.IndexFunc(f.Apps, isIt)
	if first < 0 {
		return fmt.Errorf("run file %s: no app %q", f.Path, id)
	}
	have := 0
	for _, a := range f.Apps {
		if isIt(a) {
			have++
		}
	}
	for ; have < n; have++ {
		app := f.Apps[first]
		app.Env = maps.Clone(app.Env)
		app.AppPort, app.DaprHTTPPort, app.DaprGRPCPort, app.DaprInternalGRPCPort, app.MetricsPort = 0, 0, 0, 0, 0
		if err := nameApp(&app, f.Apps); err != nil {
			return fmt.Errorf("replica of %q: %w", id, err)
		}
		f.Apps = append(f.Apps, app)
	}
	return nil
}

// filePort is a port that an app's entry names; number 0: it does not.
type filePort struct {
	field  string
	number int
}

func (a *App) filePorts() []filePort {
	ports := []filePort{{"appPort", a.AppPort}}
	if a.Sidecar() { // the others of infrastructure are for the Dapr CLI, which gives it a sidecar too
		ports = append(ports, filePort{"daprHTTPPort", a.DaprHTTPPort}, filePort{"daprGRPCPort", a.DaprGRPCPort},
			filePort{"daprInternalGRPCPort", a.DaprInternalGRPCPort}, filePort{"metricsPort", a.MetricsPort})
	}
	return ports
}

func (d *decoder) app(n *yaml.Node, at, base string) (App, error) {
	var app App
	// Every other path of an app is relative to its appDirPath, so that comes first.
	dirNode := child(n, "appDirPath")
	if dirNode == nil {
		return app, d.errorf(n, at+".appDirPath", "required")
	}
	if err := d.path(&app.Dir, base)(dirNode, at+".appDirPath"); err != nil {
		return app, err
	}
	known := d.settings(&app.Settings, app.Dir)
	maps.Copy(known, fields{
		"appID":                d.text(&app.ID),
		"appDirPath":           func(*yaml.Node, string) error { return nil },
		"command":              d.texts(&app.Command),
		"appPort":              d.integer(&app.AppPort, 1, 65535),
		"daprHTTPPort":         d.integer(&app.DaprHTTPPort, 1, 65535),
		"daprGRPCPort":         d.integer(&app.DaprGRPCPort, 1, 65535),
		"daprInternalGRPCPort": d.integer(&app.DaprInternalGRPCPort, 1, 65535),
		"metricsPort":          d.integer(&app.MetricsPort, 1, 65535),
	})
	if err := d.object(n, at, known, appUnsupported); err != nil {
		return app, err
	}
	app.ID = cmp.Or(app.ID, filepath.Base(app.Dir))
	if !validAppID.MatchString(app.ID) {
		return app, d.errorf(n, at+".appID", "%q: want letters, digits, dot, dash or underscore, at most 63", app.ID)
	}
	if len(app.Command) == 0 || app.Command[0] == "" {
		return app, d.errorf(n, at+".command", "required: an app without a command cannot be supervised")
	}
	if p := app.AppProtocol; p != "" && p != "http" && app.Sidecar() {
		return app, d.errorf(n, at+".appProtocol", "%q: this runner probes health over http only", p)
	}
	return app, nil
}

// adopt fills what the app leaves empty from the common section. As in the Dapr CLI a zero value counts as empty,
// and resources and configuration beside the app (.dapr/) go before the common ones.
func (a *App) adopt(c *Settings) {
	local := func(name string) string {
		p := filepath.Join(a.Dir, ".dapr", name)
		if _, err := os.Stat(p); errors.Is(err, os.ErrNotExist) {
			return ""
		}
		return p
	}
	if len(a.ResourcesPaths) == 0 {
		a.ResourcesPaths = c.ResourcesPaths
		if p := local("resources"); p != "" {
			a.ResourcesPaths = []string{p}
		}
	}
	if a.ConfigFile == "" {
		a.ConfigFile = cmp.Or(local("config.yaml"), c.ConfigFile)
	}
	a.AppProtocol = cmp.Or(a.AppProtocol, c.AppProtocol, "http")
	a.APIListenAddresses = cmp.Or(a.APIListenAddresses, c.APIListenAddresses, loopback)
	a.LogLevel = cmp.Or(a.LogLevel, c.LogLevel)
	a.MaxBodySize = cmp.Or(a.MaxBodySize, c.MaxBodySize)
	a.ReadBufferSize = cmp.Or(a.ReadBufferSize, c.ReadBufferSize)
	a.MaxConcurrency = cmp.Or(a.MaxConcurrency, c.MaxConcurrency)
	a.Placement = cmp.Or(a.Placement, c.Placement)
	a.Scheduler = cmp.Or(a.Scheduler, c.Scheduler)
	a.HealthCheck = a.HealthCheck || c.HealthCheck
	a.HealthPath = cmp.Or(a.HealthPath, c.HealthPath, defaultHealth)
	a.HealthIntervalSeconds = cmp.Or(a.HealthIntervalSeconds, c.HealthIntervalSeconds)
	a.HealthTimeoutMillis = cmp.Or(a.HealthTimeoutMillis, c.HealthTimeoutMillis)
	a.HealthThreshold = cmp.Or(a.HealthThreshold, c.HealthThreshold)
	a.APILogging = a.APILogging || c.APILogging
	a.RuntimePath = cmp.Or(a.RuntimePath, c.RuntimePath)
	a.AppLog = cmp.Or(a.AppLog, c.AppLog)
	a.DaprdLog = cmp.Or(a.DaprdLog, c.DaprdLog)
	env := maps.Clone(c.Env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, a.Env)
	a.Env = env
}
