package journal

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAShardRestsWhileCommitsTakeLongerThanTheyNeed(t *testing.T) {
	now := time.Now()
	const ms = time.Millisecond
	var p pace
	assert.Zero(t, p.left(now, 1), "before the first commit")
	p.committed(now, 1, ms)
	assert.Zero(t, p.left(now, 1), "a lone caller does not wait")
	p.committed(now, 1, 5*ms)
	assert.InDelta(t, 3*ms, p.left(now, 1), float64(ms/10), "what it took beyond twice the quickest")
	assert.InDelta(t, ms, p.left(now.Add(2*ms), 1), float64(ms/10))
	assert.Zero(t, p.left(now, goodBatch), "enough wait already")
	assert.Zero(t, p.left(now.Add(4*ms), 1))
	p.committed(now, 1, time.Second)
	assert.Equal(t, longestRest, p.left(now, 1))
	p.committed(now, goodBatch, time.Second)
	assert.Zero(t, p.left(now, 1), "the last batch was good")
}

func TestAStoreThatBecameSlowerIsNotABusyMachineForEver(t *testing.T) {
	now := time.Now()
	var p pace
	p.committed(now, 1, time.Millisecond)
	commits := 0
	for p.committed(now, 1, 20*time.Millisecond); p.left(now, 1) > 0; p.committed(now, 1, 20*time.Millisecond) {
		commits++
		require.Less(t, commits, 1000)
	}
	assert.Greater(t, commits, 100)
}

func TestRestEndsWithTheContext(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	p := pace{until: time.Now().Add(time.Hour)}
	p.rest(ended, 1) // returns
}
