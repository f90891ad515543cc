package order

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/order/orderapi"
)

// FuzzCursor reads what a caller says was the end of a page: it is refused, or it is exactly what this list gives.
func FuzzCursor(f *testing.F) {
	f.Add(writeCursor(stamp{1_777_000_000_000_000_000, "0b8e6a52-3f1d-5d0a-9c58-7f6f2f0f4f3e"}))
	f.Add("")
	f.Add("LTEvYQ")
	f.Add("MS8")
	f.Fuzz(func(t *testing.T, cursor string) {
		k, err := readCursor(cursor)
		if err != nil || cursor == "" {
			require.Zero(t, k)
			return
		}
		require.Equal(t, cursor, writeCursor(k))
	})
}

// FuzzKey holds idempotency keys to their bounds: what is accepted is safe in a header, a log and an id.
func FuzzKey(f *testing.F) {
	f.Add("basket-42", "")
	f.Add("a\tb", "second")
	f.Add("\x7f", "")
	f.Fuzz(func(t *testing.T, first, second string) {
		values := []string{first}
		if second != "" {
			values = append(values, second)
		}
		key, err := checkKey(values)
		if err != nil {
			require.Empty(t, key)
			return
		}
		require.Equal(t, []string{key}, values, "one is asked for, and taken as it is")
		require.True(t, key != "" && len(key) <= orderapi.MaxIdempotencyKey)
		for _, b := range []byte(key) {
			require.True(t, b >= 0x20 && b <= 0x7e, "%q", key)
		}
	})
}
