package follow

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzCursor reads what an operator says was the end of a page: whatever is understood is written and read as the same place again.
func FuzzCursor(f *testing.F) {
	f.Add(writeCursor(Parked{ParkedAt: time.Unix(1_777_000_000, 5).UTC(), ID: "order-1"}))
	f.Add("WyIwMDAwLTAxLTAxVDAwOjAwOjAwWiIsIiJd")
	f.Add("bnVsbA")
	f.Fuzz(func(t *testing.T, cursor string) {
		p, err := readCursor(cursor)
		if err != nil {
			require.Zero(t, p)
			return
		}
		again, err := readCursor(writeCursor(p))
		require.NoError(t, err)
		require.True(t, again.ParkedAt.Equal(p.ParkedAt), "%v became %v", p.ParkedAt, again.ParkedAt)
		require.Equal(t, p.ID, again.ID)
	})
}
