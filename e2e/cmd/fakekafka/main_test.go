package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// serve runs the program until stop is called and gives the address that it says.
func serve(t *testing.T, dir string) (addr string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, options{dir: dir, topics: []string{"order"}}, w)
		_ = w.Close()
		ended <- err
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, rest, ok := strings.Cut(line, "kafka://")
	require.True(t, ok, line)
	addr, _, _ = strings.Cut(rest, ",")
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return addr, func() {
		cancel()
		require.NoError(t, <-ended)
	}
}

// What was answered, and how far a group has read, is there again after a restart.
func TestKeepsRecordsAndOffsets(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	dir := t.TempDir()
	addr, stop := serve(t, dir)
	require.True(t, strings.HasPrefix(addr, "127.0.0.1:"), addr)
	producer, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("order"))
	require.NoError(t, err)
	for _, text := range []string{"one", "two"} {
		require.NoError(t, producer.ProduceSync(ctx, kgo.StringRecord(text)).FirstErr())
	}
	producer.Close()
	assert.Equal(t, []string{"one", "two"}, read(ctx, t, addr, 2))
	stop()

	addr, stop = serve(t, dir)
	defer stop()
	producer, err = kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("order"))
	require.NoError(t, err)
	defer producer.Close()
	require.NoError(t, producer.ProduceSync(ctx, kgo.StringRecord("three")).FirstErr())
	assert.Equal(t, []string{"three"}, read(ctx, t, addr, 1))
}

// read reads n records as one group and commits.
func read(ctx context.Context, t *testing.T, addr string, n int) (texts []string) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics("order"), kgo.ConsumerGroup("g"), kgo.DisableAutoCommit())
	require.NoError(t, err)
	defer c.Close()
	for len(texts) < n {
		fetched := c.PollFetches(ctx)
		require.NoError(t, fetched.Err0())
		for _, r := range fetched.Records() {
			texts = append(texts, string(r.Value))
		}
	}
	require.NoError(t, c.CommitUncommittedOffsets(ctx))
	return texts
}

func TestCommandLine(t *testing.T) {
	o, err := parse([]string{"--port", "1", "--topics", "a, b,"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, options{port: 1, dir: ".data/kafka", topics: []string{"a", "b"}}, o)
	for _, args := range [][]string{{"--port", "x"}, {"--port", "70000"}, {"--dir", ""}, {"more"}, {"--help"}} {
		_, err := parse(args, io.Discard)
		require.Error(t, err, args)
	}
	require.Error(t, run(t.Context(), options{dir: "/dev/null/x"}, io.Discard))
}
