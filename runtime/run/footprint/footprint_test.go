package footprint

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestField(t *testing.T) {
	assert.Equal(t, int64(12<<10), field("Rss:  20 kB\nPss:    12 kB\n", "Pss:"))
	assert.Zero(t, field("", "Pss:"))
}

// A server that is several processes is counted whole.
func TestDescendantsCount(t *testing.T) {
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skip("skipped: this system has no smaps_rollup")
	}
	shell := exec.Command("sh", "-c", "sh -c 'cat; :'; :") // three processes, until the input ends
	in, err := shell.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, shell.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = shell.Wait()
	})
	var pids []int
	require.Eventually(t, func() bool {
		pids = family(shell.Process.Pid, childrenOf())
		return len(pids) == 3
	}, 10*time.Second, 10*time.Millisecond)
	whole, err := usage("shell", pids)
	require.NoError(t, err)
	assert.Equal(t, shell.Process.Pid, whole.PID)
	alone, err := usage("shell", pids[:1])
	require.NoError(t, err)
	assert.Positive(t, alone.RSS)
	assert.Greater(t, whole.RSS, alone.RSS)
}
