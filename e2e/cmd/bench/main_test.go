package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFlagsStandAnywhere(t *testing.T) {
	c, err := parse([]string{"--clients", "4", "reserve", "--quick", "soldout", "--only=sidecart/redis,lua"})
	require.NoError(t, err)
	assert.Equal(t, []string{"reserve", "soldout"}, c.names)
	assert.Equal(t, 4, c.clients, "what is given goes before what --quick says")
	assert.Equal(t, 1, c.rounds)
	assert.Equal(t, 600*time.Millisecond, c.measure)
	assert.Equal(t, []string{"sidecart/redis", "lua"}, c.onlyList())
	assert.Equal(t, "scripts/bench --clients 4 --only sidecart/redis,lua --quick reserve soldout", c.command)

	c, err = parse(nil)
	require.NoError(t, err)
	assert.Equal(t, 5, c.rounds)
	assert.Equal(t, 256, c.clients)
	assert.Empty(t, c.onlyList())

	c, err = parse([]string{"list"})
	require.NoError(t, err)
	assert.True(t, c.list)
}

func TestWrongFlagsAreNamed(t *testing.T) {
	for args, want := range map[[2]string]string{
		{"reserv"}:                   `no benchmark "reserv"`,
		{"list", "reserve"}:          `no benchmark "list"`,
		{"--rounds", "0"}:            "--rounds",
		{"--clients", "5000"}:        "--clients",
		{"--measure", "1ms"}:         "--measure",
		{"--set", "redis,mongo"}:     `no component set "mongo"`,
		{"--set", "redis,"}:          `no component set ""`,
		{"--only", "sidecart/mysql"}: `no contender "sidecart/mysql"`,
		{"--quick", "--report=docs"}: "--report",
		{"--shards", "257"}:          "--shards",
		{"--replicas", "2"}:          "--placement split",
		{"--pool", "-1"}:             "--pool",
		{"--fsync", "never"}:         "--fsync",
		{"--placement", "both"}:      "--placement",
		{"--quick", "--profile=p"}:   "--profile",
	} {
		given := args[:]
		if given[1] == "" {
			given = given[:1]
		}
		_, err := parse(given)
		require.ErrorContains(t, err, want, "%v", given)
	}
}

func TestWorkflowsAreBuiltWhenTheyAreNeeded(t *testing.T) {
	for args, want := range map[string]bool{
		"sales": true, "reserve sales": true, "": true, "reserve": false, "--quick sales": false, "list": false,
		"--only sidecart/redis sales": false, "--only workflow/embedded sales": true,
	} {
		c, err := parse(strings.Fields(args))
		require.NoError(t, err)
		assert.Equal(t, want, c.workflows(), args)
	}
}
