package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const operating = "../../../docs/operating.md"

// settingsTable is the table of docs/operating.md as config.go says it.
func settingsTable() string {
	var b strings.Builder
	b.WriteString("| variable | what it says, its bounds (and default) |\n|---|---|\n")
	for _, s := range new(config).table() {
		_, _ = fmt.Fprintf(&b, "| `%s` | %s |\n", s.env, strings.ReplaceAll(s.help, "|", `\|`))
	}
	return b.String()
}

// The settings that people read about are the settings there are: same names, same words, same order, none missing.
func TestOperatingGuideHasTheTableOfSettings(t *testing.T) {
	doc, err := os.ReadFile(operating)
	require.NoError(t, err)
	want := settingsTable()
	assert.Contains(t, string(doc), "\n"+want+"\n", "put this into docs/operating.md:\n%s", want)
}

// What --help and the guide say of a setting's bounds is what is checked.
func TestSettingsNameTheirBounds(t *testing.T) {
	for _, s := range new(config).table() {
		switch v := s.value.(type) {
		case number:
			if v.high != 65535 { // of ports nobody needs to be told
				assert.Contains(t, s.help, fmt.Sprintf("%d to %d", v.low, v.high), s.env)
			}
		case duration:
			assert.Contains(t, s.help, brief(v.low)+" to "+brief(v.high), s.env)
		}
	}
}

// brief is a duration without the units that are zero: 1h and not 1h0m0s.
func brief(d time.Duration) string {
	text := strings.TrimSuffix(d.String(), "m0s")
	if text != d.String() {
		text = strings.TrimSuffix(text+"m", "h0m")
		if !strings.HasSuffix(text, "m") {
			text += "h"
		}
	}
	return text
}
