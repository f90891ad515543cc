package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type line struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

// reopen reads a book from the start.
func reopen(t require.TestingT, path string) (*book[line], []line) {
	var got []line
	b, err := openBook(path, func(_ int64, r line) error {
		got = append(got, r)
		return nil
	})
	require.NoError(t, err)
	return b, got
}

// TestATornEndIsCutOff cuts a book at every byte, as a crash would, and opens it again.
func TestATornEndIsCutOff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "book")
		require.NoError(t, err)
		defer func() { _ = os.RemoveAll(dir) }()
		path := filepath.Join(dir, "sub", "book.jsonl")
		b, _ := reopen(t, path)
		var want []line
		var ends []int64
		for i, text := range rapid.SliceOfN(rapid.String(), 1, 8).Draw(t, "texts") {
			want = append(want, line{i, text})
			_, err := b.append(want[i])
			require.NoError(t, err)
			ends = append(ends, b.end)
		}
		require.NoError(t, b.close())

		size := int64(rapid.IntRange(0, int(b.end)).Draw(t, "size"))
		require.NoError(t, os.Truncate(path, size))
		whole := 0
		for whole < len(ends) && ends[whole] <= size {
			whole++
		}
		b, got := reopen(t, path)
		require.Equal(t, want[:whole], append([]line{}, got...))

		_, err = b.append(line{100, "after"})
		require.NoError(t, err)
		require.NoError(t, b.close())
		b, got = reopen(t, path)
		require.Equal(t, append(want[:whole:whole], line{100, "after"}), got)
		require.NoError(t, b.close())
	})
}

func TestABrokenMiddleIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("{\"n\":1,\"text\":\"a\"}\nrubbish\n{\"n\":2,\"text\":\"b\"}\n"), 0o600))
	_, err := openBook(path, func(int64, line) error { return nil })
	require.ErrorContains(t, err, "record 2 at byte 19")
}

func TestAppendersShareSyncsAndReadBackTheirOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book.jsonl")
	b, _ := reopen(t, path)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			want := line{i, fmt.Sprint("text ", i)}
			offset, err := b.append(want)
			require.NoError(t, err)
			got, _, err := b.read(offset)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
	wg.Wait()
	items, count := b.last()
	require.Equal(t, 200, count)
	require.Len(t, items, recentRecords)

	var all []line
	offset := int64(0)
	for more := true; more; more = offset > 0 {
		page, next, err := b.scan(offset, 7, func(line) bool { return true })
		require.NoError(t, err)
		all = append(all, page...)
		offset = next
	}
	require.Len(t, all, 200)
	require.Equal(t, all[199], items[0])
	_, _, err := b.scan(3, 1, func(line) bool { return true })
	require.ErrorIs(t, err, errOffset)
	require.NoError(t, b.close())
	_, got := reopen(t, path)
	require.Equal(t, all, got)
}

func TestAFailedWriteIsNotAnswered(t *testing.T) {
	b, _ := reopen(t, filepath.Join(t.TempDir(), "book.jsonl"))
	_, err := b.append(line{1, "a"})
	require.NoError(t, err)
	require.NoError(t, b.close())
	_, err = b.append(line{2, "b"})
	require.Error(t, err)
	_, err = b.append(line{3, "c"})
	require.Error(t, err, "a book that could not be repaired takes nothing more")
	_, count := b.last()
	require.Equal(t, 1, count)
}
