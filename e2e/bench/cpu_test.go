package bench

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ownCPU(tb testing.TB) time.Duration {
	tb.Helper()
	times, err := CPUTimes(map[string]int{"own": os.Getpid()})
	if err != nil {
		tb.Skip(err)
	}
	return times["own"]
}

func TestParseStat(t *testing.T) {
	u, err := parseStat("42 (a b) c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 9 0 1 2")
	require.NoError(t, err)
	assert.Equal(t, usage{parent: 7, cpu: 1240 * time.Millisecond}, u)
	for _, line := range []string{"", "42 (a) S 7", "42 (a) S x 42 42 0 -1 4194560 1 2 3 4 100 20 3 1 20"} {
		_, err := parseStat(line)
		require.Error(t, err, line)
	}
}

func TestCPUTimeCountsWorkAndNobodyElses(t *testing.T) {
	before := ownCPU(t)
	worked := 0
	for ownCPU(t)-before < 50*time.Millisecond {
		for range 1 << 20 {
			worked++
		}
	}
	assert.Positive(t, worked)
	both, err := CPUTimes(map[string]int{"parent": os.Getppid(), "own": os.Getpid()})
	require.NoError(t, err)
	assert.Positive(t, both["own"], "what is named is not its parent's, too")
	none, err := CPUTimes(nil)
	require.NoError(t, err)
	assert.Empty(t, none)
}

func TestMemory(t *testing.T) {
	ownCPU(t)
	assert.Greater(t, Memory(map[string]int{"own": os.Getpid()}), 1e6)
	assert.Zero(t, Memory(nil))
}
