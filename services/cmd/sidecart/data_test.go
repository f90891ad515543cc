package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/datacopy"
)

// copyCommandSays runs sidecart data copy with arguments.
func copyCommandSays(t *testing.T, args ...string) (code int, out, complaints string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"data", "copy"}, args...), func(string) string { return "" }, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestDataCopySaysHowItIsUsed(t *testing.T) {
	code, out, _ := copyCommandSays(t, "--help")
	assert.Equal(t, exitOK, code)
	for _, part := range []string{"--dry-run", "--undo", "--target-lost", "--report", "Exit code", "TO_SIDECART_POSTGRES_DSN"} {
		assert.Contains(t, out, part)
	}
	set, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, c := range []struct{ args, says string }{
		{"", "--from is missing"},
		{"--from " + set, "--to is missing"},
		{"--from " + set + " --to " + file, "--to: component set"},
		{"--from nowhere --to " + set, "--from: component set"},
		{"--from " + set + " --to " + set + " --dry-run --undo", "exclude each other"},
		{"--from " + set + " --to " + set + " --target-lost", "goes with --undo"},
		{"--from " + set + " --to " + set + " --dry-run --report x", "--report"},
		{"--from " + set + " --to " + set + " --services order,gateway", `"gateway" has no data; there are inventory, order, payment, notify`},
		{"--from " + set + " --to " + set + " --daprd nowhere/daprd", "nowhere/daprd"},
		{"--from " + set + " --to " + set + " more", "more"},
	} {
		code, _, complaints := copyCommandSays(t, strings.Fields(c.args)...)
		assert.Equal(t, exitUsage, code, c.args)
		assert.Contains(t, complaints, c.says, c.args)
	}
}

func TestEachSidecarOfACopyHasItsOwnEnvironment(t *testing.T) {
	environ := []string{"SIDECART_X=both", "TO_SIDECART_X=target", "FROM_SIDECART_Y=source"}
	last := func(environ []string, name string) (value string) {
		for _, entry := range environ {
			if v, ok := strings.CutPrefix(entry, name+"="); ok {
				value = v
			}
		}
		return value
	}
	from, to := environFor(environ, fromPrefix), environFor(environ, toPrefix)
	assert.Equal(t, "both", last(from, "SIDECART_X"))
	assert.Equal(t, "target", last(to, "SIDECART_X"))
	assert.Equal(t, "source", last(from, "SIDECART_Y"))
	assert.Empty(t, last(to, "SIDECART_Y"))
}

// Every service of the table has data that is copied, but for the gateway.
func TestNoServiceIsForgottenInACopy(t *testing.T) {
	var with []string
	for _, s := range copied() {
		with = append(with, s.Name)
		assert.NotNil(t, s.Account)
	}
	assert.Equal(t, names(), append(with, "gateway"))
	_, err := datacopy.New(datacopy.Config{Services: copied()}, nil, nil)
	assert.ErrorContains(t, err, "a store is missing")
}

// What a person reads last says who is the shop now.
func TestAFailedCopySaysWhoIsTheShop(t *testing.T) {
	o := copyOptions{from: "old", to: "new"}
	for _, c := range []struct {
		report datacopy.Report
		says   string
	}{
		{datacopy.Report{}, "has closed nothing"},
		{datacopy.Report{PauseSecs: 1}, "--undo to sell from old again"},
		{datacopy.Report{PauseSecs: 1, Switched: true}, "new is the shop now"},
	} {
		err := o.explain(assert.AnError, c.report)
		assert.ErrorIs(t, err, assert.AnError)
		assert.ErrorContains(t, err, c.says)
	}
	var out bytes.Buffer
	con := newConsole(&out, &out, func(string) string { return "" })
	o.showReport(con, datacopy.Report{Segments: 3, PauseSecs: 0.5, Missing: []string{"order/view/order/x"}, Services: map[string]datacopy.Account{
		"order": {Shards: []datacopy.ShardAccount{{Head: 7}, {Head: 9}}, Totals: map[string]int64{"orders paid": 4}},
	}})
	assert.Contains(t, out.String(), "closed for 0.50 s")
	assert.Contains(t, out.String(), "equal in both up to 7, 9: orders paid 4")
	assert.Contains(t, out.String(), "the source names order/view/order/x")
	out.Reset()
	o.showReport(con, datacopy.Report{Already: true})
	assert.Contains(t, out.String(), "was the shop already")
}
