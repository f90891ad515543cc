package daprd

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// setOfHelper names the set to the process that TestASidecarEndsWithItsKilledStarter kills.
const setOfHelper = "SIDECART_TEST_SET"

func TestASidecarEndsWithItsKilledStarter(t *testing.T) {
	if set := os.Getenv(setOfHelper); set != "" {
		startAndWait(t, set)
		return
	}
	binary(t)
	set := sqliteSet(t, filepath.Join(t.TempDir(), "state.db"))
	helper := exec.Command(os.Args[0], "-test.run=^TestASidecarEndsWithItsKilledStarter$")
	helper.Env = append(os.Environ(), setOfHelper+"="+set, "TMPDIR="+t.TempDir())
	out, err := helper.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, helper.Start())
	var pid int
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "daprd is %d", &pid)
	}
	require.NoError(t, helper.Process.Kill())
	_ = helper.Wait()
	require.NotZero(t, pid, "the helper started a sidecar")
	require.Eventually(t, func() bool { return gone(pid) }, 30*time.Second, 5*time.Millisecond, "process %d", pid)
}

// startAndWait is the helper: it starts a sidecar, says which, and waits to be killed.
func startAndWait(t *testing.T, set string) {
	p, err := Start(t.Context(), Config{Binary: binary(t), Set: set, Only: []string{sidecar.StateStore}, AppID: "daprd-test"})
	require.NoError(t, err)
	defer p.Stop()
	fmt.Println("daprd is", p.cmd.Process.Pid)
	<-time.After(time.Minute)
}

// gone tells whether a process has ended, be it that nobody has reaped it.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
}
