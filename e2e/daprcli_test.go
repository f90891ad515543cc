package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/e2e/token"
)

// TestDaprCLI: both run files work with `dapr run -f` as they are, and when it is told to stop, nothing stays behind.
func TestDaprCLI(t *testing.T) {
	harness.SkipIfShort(t)
	cli := filepath.Join(harness.Root(), ".bin", "dapr")
	if _, err := os.Stat(cli); err != nil {
		t.Skipf("skipped: there is no Dapr CLI at %s; scripts/test builds it, and e2e/daprcli/go.mod says how", cli)
	}
	if _, err := os.Stat("/proc/self/cwd"); err != nil {
		t.Skip("skipped: without /proc it cannot tell which processes are left")
	}
	// No comma in the names: they become part of a path, and Dapr takes a list of paths apart at commas.
	t.Run("one", func(t *testing.T) {
		d := runDapr(t, cli, "one.yaml")
		sellOne(t, d.shop)
		d.started(t, "sidecart")
		require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
		d.ends(t)
	})
	t.Run("split", func(t *testing.T) {
		d := runDapr(t, cli, "split.yaml")
		sellOne(t, d.shop)
		d.started(t, "gateway")
		out, err := d.command(t.Context(), "stop", "-f", "dapr-config/split.yaml").CombinedOutput()
		require.NoError(t, err, "%s", out)
		d.ends(t)
	})
}

// daprRun is a shop that the Dapr CLI runs.
type daprRun struct {
	cli, root string // root is the folder in which it was started
	log       string // the file that the CLI's output goes to
	cmd       *exec.Cmd
	ended     chan error
	shop      *client.Client
}

// runDapr starts a run file in a copy of the tree, because the file names its data folder and the shop of whoever runs
// the tests may be there. The file itself is the same, byte for byte, and so are its ports.
func runDapr(t *testing.T, cli, name string) *daprRun {
	text, err := os.ReadFile(filepath.Join(harness.Root(), "dapr-config", name))
	require.NoError(t, err)
	for _, port := range portsOf(string(text)) {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			t.Skipf("skipped: port %s of %s is taken on this machine: %v", port, name, err)
		}
		require.NoError(t, l.Close())
	}
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	for _, dir := range []string{"dapr-config", "components"} {
		require.NoError(t, os.CopyFS(filepath.Join(root, dir), os.DirFS(filepath.Join(harness.Root(), dir))))
	}
	require.NoError(t, os.Symlink(filepath.Join(harness.Root(), ".bin"), filepath.Join(root, ".bin")))
	for _, dir := range []string{".data", "home"} {
		require.NoError(t, os.Mkdir(filepath.Join(root, dir), 0o700))
	}
	shell(t, root, ".bin/sidecart keys new --out .data/"+token.FileName)
	keys, err := token.Of(filepath.Join(root, ".data"))
	require.NoError(t, err)
	d := &daprRun{cli: cli, root: root, ended: make(chan error, 1), shop: client.New("http://127.0.0.1:8080", 10*time.Second).With(keys)}
	d.cmd = d.command(context.WithoutCancel(t.Context()), "run", "-f", "dapr-config/"+name)
	d.log = filepath.Join(root, "dapr.log")
	logFile, err := os.Create(d.log)
	require.NoError(t, err)
	d.cmd.Stdout, d.cmd.Stderr = logFile, logFile
	require.NoError(t, d.cmd.Start())
	go func() { d.ended <- d.cmd.Wait() }()
	t.Cleanup(func() {
		d.shop.Close()
		for pid := range d.left() { // only after a failure
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = logFile.Close()
		if b, err := os.ReadFile(d.log); err == nil && t.Failed() {
			t.Logf("the end of what dapr said:\n%s", b[max(0, len(b)-6<<10):])
		}
	})
	return d
}

// command is a call of the Dapr CLI in a process group and with a home of its own: it writes to ~/.dapr. It hands its environment
// on to the sidecars, which find the key set there.
func (d *daprRun) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.cli, args...)
	cmd.Dir = d.root
	cmd.Env = append(os.Environ(), "HOME="+filepath.Join(d.root, "home"))
	if keys, err := os.ReadFile(filepath.Join(d.root, ".data", token.FileName)); err == nil {
		cmd.Env = append(cmd.Env, "SIDECART_ACCOUNT_KEYS="+string(keys))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// started waits until the CLI has said of the last app of the file that it started: told to stop while it still
// starts, it never ends.
func (d *daprRun) started(t *testing.T, app string) {
	t.Helper()
	harness.Eventually(t, "dapr run has started "+app, 0, func() error {
		said, err := os.ReadFile(d.log)
		if err == nil && !strings.Contains(string(said), fmt.Sprintf("Started Dapr with app id %q", app)) {
			err = errors.New("it has not said so")
		}
		return err
	})
}

// ends waits until the CLI and whatever it started have ended.
func (d *daprRun) ends(t *testing.T) {
	t.Helper()
	harness.Eventually(t, "nothing is left of dapr run", 0, func() error {
		if left := d.left(); len(left) > 0 {
			return fmt.Errorf("still running: %v", left)
		}
		return nil
	})
	select {
	case err := <-d.ended:
		require.NoError(t, err, "dapr run")
	case <-t.Context().Done():
	}
}

// left are the processes, by id, that work in the folder: the CLI, sidecars and apps.
func (d *daprRun) left() map[int]string {
	left := map[int]string{}
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		cwd, err := os.Readlink(link)
		if err != nil || cwd != d.root {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
			program, _ := os.Readlink(filepath.Join(filepath.Dir(link), "exe"))
			left[pid] = filepath.Base(program)
		}
	}
	return left
}

// sellOne sells a thing: placed, paid, and the customer told.
func sellOne(t *testing.T, shop *client.Client) {
	harness.Eventually(t, "a product is on sale", 0, func() error {
		_, _, err := shop.Put(t.Context(), "moka", client.Product{
			Title: "Moka pot", Price: client.Money{Amount: 2990, Currency: "EUR"}, Quantity: 2,
		})
		return err
	})
	key := uuid.NewString()
	var o client.Order
	harness.Eventually(t, "an order is placed", 0, func() (err error) {
		o, err = shop.Place(t.Context(), key, basket("moka", 1))
		return err
	})
	harness.Eventually(t, "it is being paid", 0, func() error { return shop.Pay(t.Context(), o.ID, "card") })
	harness.Eventually(t, "it is paid and the customer was told both ways", 0, func() error {
		now, err := shop.Order(t.Context(), o.ID)
		if err != nil {
			return err
		}
		told, err := shop.Notifications(t.Context(), o.ID)
		if err != nil {
			return err
		}
		sent := 0
		for _, n := range told.Items {
			if n.Template == "order_paid" && n.Status == "sent" {
				sent++
			}
		}
		if now.Status != client.Paid || sent != 2 {
			return fmt.Errorf("it is %s, told: %+v", now.Status, told.Items)
		}
		return nil
	})
	s, err := shop.Stock(t.Context(), "moka")
	require.NoError(t, err)
	require.Equal(t, []int64{2, 1, 0, 1}, []int64{s.Received, s.Available, s.Reserved, s.Sold})
}

var portInRunFile = regexp.MustCompile(`(?:Port: |_PORT: "|127\.0\.0\.1:)([0-9]+)`)

// portsOf are the fixed ports that a run file names.
func portsOf(text string) []string {
	var ports []string
	for _, m := range portInRunFile.FindAllStringSubmatch(text, -1) {
		ports = append(ports, m[1])
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}
