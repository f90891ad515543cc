package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	binName       = ".bin"
	progressEvery = 200 * time.Millisecond
	// What one compiler may take at its worst, seen with the cloud SDKs that daprd's components pull in.
	compilerBytes   = 700 << 20
	maxFailureLines = 60
	maxLineBytes    = 1 << 20
)

// target is one program and what it is made of.
type target struct {
	name   string
	module string   // folder of the module, relative to the root
	pkg    string   // package, relative to the module
	tags   string   // build tags; sidecart's is that of its image (k8s/image says why)
	inputs []string // files and folders, relative to the module
	carry  version
	static bool // built without cgo, as it is released
	server bool // is a set's server: built only for a set that needs it, or with everything
}

// version is the version of a module that a program is told of when it is linked; without it, it does not know.
type version struct {
	module    string   // "" for none
	prefix    string   // is left out of the version
	variables []string // that get it
}

// Without it the sidecar's metadata and logs say "edge" and "unknown".
var daprVersion = version{"github.com/dapr/dapr", "v", []string{
	"github.com/dapr/dapr/pkg/buildinfo.version", "github.com/dapr/kit/logger.DaprVersion",
}}

// Without it clients cannot tell what the API server understands.
var kubernetesVersion = version{"k8s.io/kubernetes", "", []string{
	"k8s.io/component-base/version.gitVersion", "k8s.io/client-go/pkg/version.gitVersion",
}}

var targets = []target{
	{name: "sidecart", module: "services", pkg: "./cmd/sidecart", tags: "grpcnotrace", inputs: []string{"."}},
	{name: "broker", module: "runtime", pkg: "./cmd/broker", inputs: []string{"go.mod", "go.sum", "broker", "cmd/broker"}},
	{name: "daprd", module: "runtime", pkg: "./daprd", inputs: []string{"go.mod", "go.sum", "daprd"}, carry: daprVersion},
	{name: "fakekafka", module: "e2e", pkg: "./cmd/fakekafka", inputs: []string{"go.mod", "go.sum", "cmd/fakekafka"}, server: true},
}

// clusterTargets are the programs that the test of Kubernetes runs besides: the real ones, from their own modules.
var clusterTargets = []target{
	kubernetesTarget("etcd", "go.etcd.io/etcd/server/v3"),
	kubernetesTarget("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
	kubernetesTarget("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
	kubernetesTarget("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
	daprTarget("sentry"), daprTarget("operator"), daprTarget("injector"),
}

func kubernetesTarget(name, pkg string) target {
	return target{name: name, module: "k8s/cluster/controlplane", pkg: pkg, inputs: []string{"go.mod", "go.sum"}, carry: kubernetesVersion, static: true}
}

func daprTarget(name string) target {
	return target{name: name, module: "k8s/cluster", pkg: "github.com/dapr/dapr/cmd/" + name, inputs: []string{"go.mod", "go.sum"}, carry: daprVersion, static: true}
}

// builder builds the programs that are missing or older than their sources.
type builder struct {
	root string
	out  *terminal
}

// buildAll leaves in ROOT/.bin every program but the servers that wanted does not name; nil names all. more are built after them. A
// program whose inputs' hash is that of its last build costs no call of the Go tool: even a build with nothing to do takes seconds
// for daprd.
func (b *builder) buildAll(ctx context.Context, wanted func(server string) bool, more ...target) error {
	stamps := filepath.Join(b.root, binName, "stamps")
	if err := os.MkdirAll(stamps, 0o755); err != nil {
		return err
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, t := range slices.Concat(targets, more) {
		if t.server && wanted != nil && !wanted(t.name) {
			continue
		}
		if err := b.build(ctx, t, filepath.Join(stamps, t.name)); err != nil {
			return err
		}
	}
	return b.linkForDaprCLI()
}

// lock keeps two runs that begin at the same moment from building the same program at once.
func (b *builder) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(b.root, binName, "build.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("build lock: %w", err)
		}
		b.out.status("waiting for another build to end")
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		}
	}
}

func (b *builder) build(ctx context.Context, t target, stamp string) error {
	sum, err := b.hash(t)
	if err != nil {
		return fmt.Errorf("build %s: %w", t.name, err)
	}
	program := filepath.Join(b.root, binName, t.name)
	if old, err := os.ReadFile(stamp); err == nil && string(old) == sum {
		if _, err := os.Stat(program); err == nil {
			return nil
		}
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		return errors.New("no `go` on the PATH: install Go from https://go.dev/dl")
	}
	flags, err := b.linkFlags(t)
	if err != nil {
		return fmt.Errorf("build %s: %w", t.name, err)
	}
	// Built beside and renamed: a program that runs keeps its file, and one half written is never started.
	next := program + ".new"
	args := []string{"build", "-v", "-p", strconv.Itoa(compilers()), "-tags", t.tags, "-ldflags", flags, "-o", next, t.pkg}
	cmd := exec.CommandContext(ctx, goTool, args...)
	cmd.Dir = filepath.Join(b.root, t.module)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if t.static {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
	}
	begun := time.Now()
	if err := b.watch(cmd, t.name, begun); err != nil {
		return err
	}
	if err := os.Rename(next, program); err != nil {
		return fmt.Errorf("build %s: %w", t.name, err)
	}
	b.out.line(fmt.Sprintf("built %s in %s", t.name, clock(time.Since(begun))))
	return os.WriteFile(stamp, []byte(sum), 0o600)
}

// watch runs the Go tool, showing how far it is; what it said is shown only if it fails.
func (b *builder) watch(cmd *exec.Cmd, name string, begun time.Time) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		_ = w.Close()
		return fmt.Errorf("build %s: %w", name, err)
	}
	_ = w.Close()
	var p progress
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.read(r)
	}()
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.out.status(fmt.Sprintf("building %s  %s  %s", name, clock(time.Since(begun)), p.text()))
			continue
		case <-done:
		}
		break
	}
	if err := cmd.Wait(); err != nil {
		if cmd.ProcessState.ExitCode() < 0 {
			return fmt.Errorf("build %s: stopped: %w", name, context.Canceled)
		}
		b.out.line(strings.Join(p.said, "\n"))
		return fmt.Errorf("build %s: go build failed, see above", name)
	}
	return nil
}

// progress is what the Go tool's output says about how far it is.
type progress struct {
	downloads, packages atomic.Int64
	said                []string // what is no progress; read after the end
}

func (p *progress) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "go: downloading "):
			p.downloads.Add(1)
		case line != "" && !strings.ContainsAny(line, " \t:#"):
			p.packages.Add(1)
		case len(p.said) < maxFailureLines:
			p.said = append(p.said, line)
		}
	}
	// A line over the bound ends the scan; the rest must still be taken, or the tool blocks.
	_, _ = io.Copy(io.Discard, r)
}

func (p *progress) text() string {
	if n := p.packages.Load(); n > 0 {
		return fmt.Sprintf("%d packages compiled", n)
	}
	if n := p.downloads.Load(); n > 0 {
		return fmt.Sprintf("%d modules downloaded", n)
	}
	return "looking"
}

// clock is an elapsed time as m:ss, or seconds below a minute.
func clock(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// hash covers everything a program is built from but the modules in the cache, which go.sum pins.
func (b *builder) hash(t target) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), t)
	base := filepath.Join(b.root, t.module)
	for _, input := range t.inputs {
		err := filepath.WalkDir(filepath.Join(base, input), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !e.Type().IsRegular() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			return hashFile(h, path)
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hashFile(h io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	fmt.Fprintln(h, path)
	_, err = io.Copy(h, f)
	return err
}

func (b *builder) linkFlags(t target) (string, error) {
	flags := "-s -w"
	if t.carry.module == "" {
		return flags, nil
	}
	mod, err := os.ReadFile(filepath.Join(b.root, t.module, "go.mod"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mod)) {
		if f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require ")); len(f) >= 2 && f[0] == t.carry.module {
			for _, variable := range t.carry.variables {
				flags += " -X " + variable + "=" + strings.TrimPrefix(f[1], t.carry.prefix)
			}
			return flags, nil
		}
	}
	return "", fmt.Errorf("%s is not in %s/go.mod", t.carry.module, t.module)
}

// linkForDaprCLI puts daprd where the Dapr CLI looks for it below the run files' runtimePath.
func (b *builder) linkForDaprCLI() error {
	dir := filepath.Join(b.root, binName, ".dapr", "bin")
	link := filepath.Join(dir, "daprd")
	if _, err := os.Lstat(link); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.Symlink(filepath.Join("..", "..", "daprd"), link)
}

// compilers is how many run at once: one a core, fewer where memory is short.
func compilers() int {
	n := runtime.NumCPU()
	raw, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return n
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemAvailable:" {
			if kB, err := strconv.Atoi(f[1]); err == nil {
				n = min(n, kB<<10/compilerBytes)
			}
		}
	}
	return max(n, 1)
}
