package matrix

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func filled() *Table {
	t := New()
	t.Servers("embedded", "SQLite")
	t.Cell("embedded", "one", 13, 13, 4, true)
	t.Speed("embedded", 200)
	t.Servers("redis", "Redis 7")
	t.Cell("redis", "one", 12, 13, 5, false)
	t.Conformance("redis", "safe")
	t.Speed("redis", 300)
	t.Skip("kafka", "no fakekafka")
	t.Binary("embedded", "one", "aa")
	t.Binary("redis", "one", "aa")
	t.Note("On a busy machine.")
	return t
}

func TestTable(t *testing.T) {
	assert.Equal(t, `| set | servers | one | conformance | orders/s against embedded |
| --- | --- | --- | --- | --- |
| embedded | SQLite | 13 of 13 journeys, 4 kills | - | 1.00 (200) |
| redis | Redis 7 | FAILED: 12 of 13 journeys, 5 kills | safe | 1.50 (300) |
| kafka | not run: no fakekafka |  |  |  |

The program `+"`sidecart`"+` in every cell: sha256 aa.
On a busy machine.
`, filled().String())
	two := filled()
	two.Binary("redis", "split", "bb")
	assert.Equal(t, []string{"aa", "bb"}, two.Binaries())
}

func TestWrite(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	write := func(text string) error {
		require.NoError(t, os.WriteFile(page, []byte(text), 0o600))
		return filled().Write(page)
	}
	require.NoError(t, write("top\n"+Begin+"\nold\n"+End+"\nbottom\n"))
	first, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, "top\n"+Begin+"\n"+filled().String()+End+"\nbottom\n", string(first))
	require.NoError(t, filled().Write(page), "again is the same")
	second, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, string(first), string(second))
	for _, bad := range []string{"", Begin, End + Begin, Begin + Begin + End} {
		require.Error(t, write(bad), bad)
	}
	require.Error(t, filled().Write(filepath.Join(t.TempDir(), "none.md")))
}
