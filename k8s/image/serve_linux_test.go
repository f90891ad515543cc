package image

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// containerRoot tells the test's own program to become the container's: see TestMain.
const containerRoot = "SIDECART_TEST_CONTAINER_ROOT"

// TestMain is what a container engine does, when it is asked to: the folder becomes the root, nothing in it can be written, and the
// program runs as the image's user. It takes CAP_SYS_ADMIN to do that.
func TestMain(m *testing.M) {
	dir := os.Getenv(containerRoot)
	if dir == "" {
		os.Exit(m.Run())
	}
	_, _ = fmt.Fprintln(os.Stderr, "container:", contain(dir, os.Args[1:]))
	os.Exit(125)
}

func contain(dir string, args []string) error {
	runtime.LockOSThread() // the new mounts are this thread's
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	const bind = syscall.MS_BIND | syscall.MS_REC
	if err := errors.Join(
		syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		syscall.Mount(dir, dir, "", bind, ""),
		syscall.Mount("", dir, "", bind|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""),
	); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := errors.Join(syscall.Chroot(dir), os.Chdir("/"), syscall.Setgroups(nil), syscall.Setgid(65532), syscall.Setuid(65532)); err != nil {
		return err
	}
	env := []string{}
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "SIDECART_") && !strings.HasPrefix(e, containerRoot) || strings.HasPrefix(e, "DAPR_") {
			env = append(env, e)
		}
	}
	return syscall.Exec("/"+ProgramPath, append([]string{ProgramPath}, args...), env)
}

// serves runs the services out of the unpacked image as a container engine would: they live, wait for a sidecar that never comes, and
// end in order when they are asked to. Before, the program says its version, without any environment.
func serves(t *testing.T, dir, version string) {
	t.Helper()
	asked := exec.Command(filepath.Join(dir, ProgramPath), "version")
	asked.Env = []string{}
	answer, err := asked.Output()
	require.NoError(t, err)
	assert.Equal(t, version, string(answer))
	program, args := filepath.Join(dir, ProgramPath), []string{"serve", "--services=all"}
	env := []string{"DAPR_GRPC_PORT=1", "DAPR_HTTP_PORT=1", "SIDECART_GATEWAY_ADDR=127.0.0.1:0"}
	contained := mayContain(program)
	if contained {
		require.NoError(t, os.Chmod(dir, 0o755)) // as its root: the image's user must get in
		self, err := os.Executable()
		require.NoError(t, err)
		program, env = self, append(env, containerRoot+"="+dir)
	} else {
		t.Log("no CAP_SYS_ADMIN (root in a container often lacks it, too): run from its folder; as another user on a read-only root it was not tried")
	}
	cmd := exec.Command(program, args...)
	cmd.Env = env
	said, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	internal := addressIn(t, said)

	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]int{"/livez": http.StatusOK, "/readyz": http.StatusServiceUnavailable} {
		resp, err := client.Get("http://" + internal + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, want, resp.StatusCode, path)
	}
	if contained {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		require.NoError(t, err)
		assert.Contains(t, string(status), "\nUid:\t65532\t65532\t65532\t65532\n")
		mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", cmd.Process.Pid))
		require.NoError(t, err)
		assert.Regexp(t, ` / ro[, ]`, string(mounts), "its root cannot be written")
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		require.NoError(t, err, "an orderly end")
	case <-time.After(time.Minute):
		require.Fail(t, "it did not end within a minute")
	}
}

// mayContain tells whether this process may give a child mounts of its own.
func mayContain(program string) bool {
	probe := exec.Command(program, "version")
	probe.Env = []string{}
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	return os.Geteuid() == 0 && probe.Run() == nil
}

// addressIn reads the log until it says where the internal listener is, and goes on reading for nobody.
func addressIn(t *testing.T, log interface{ Read([]byte) (int, error) }) string {
	t.Helper()
	lines := bufio.NewScanner(log)
	var all []string
	for lines.Scan() {
		all = append(all, lines.Text())
		var line struct {
			Internal string `json:"internal_address"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Internal != "" {
			go func() {
				for lines.Scan() {
				}
			}()
			return line.Internal
		}
	}
	require.Fail(t, "it did not start", strings.Join(all, "\n"))
	return ""
}
