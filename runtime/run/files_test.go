package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLogIsBoundedAndKeepsOneOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	l, err := openLog(path, 100)
	require.NoError(t, err)
	for range 50 {
		n, err := l.Write([]byte(strings.Repeat("a", 29) + "\n"))
		require.NoError(t, err)
		require.Equal(t, 30, n)
	}
	l.close()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		assert.LessOrEqual(t, info.Size(), int64(100))
	}
	l, err = openLog(path, 100)
	require.NoError(t, err)
	assert.Positive(t, l.offset(), "a log goes on where it was")
	l.close()
}

func TestLastWords(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"fatal before chatter": {`time="x" level=fatal msg="no \"state\""` + "\n" + `time="x" level=info msg="bye"` + "\n", `no "state"`},
		"json error":           {`{"level":"ERROR","msg":"cannot listen","err":"taken"}` + "\n" + `{"level":"INFO","msg":"bye"}`, "cannot listen: taken"},
		"dapr json":            {`{"level":"fatal","msg":"Fatal error from runtime"}`, "Fatal error from runtime"},
		"panic":                {"panic: no such thing\n\ngoroutine 1 [running]:\nmain.main()\n", "panic: no such thing"},
		"plain":                {"one\ntwo\n", "two"},
		"info only":            {`level=info msg="hello"`, "hello"},
		"nothing":              {"", ""},
		"long":                 {strings.Repeat("x", 3000), strings.Repeat("x", maxReasonBytes) + "…"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.log")
			require.NoError(t, os.WriteFile(path, []byte("level=fatal msg=\"an earlier life\"\n"+tt.text), 0o600))
			assert.Equal(t, tt.want, lastWords(path, int64(len("level=fatal msg=\"an earlier life\"\n"))))
		})
	}
	assert.Empty(t, lastWords("/nowhere", 0))
}

func TestWipeOnlyWhatIsOurs(t *testing.T) {
	strange := t.TempDir()
	keep := filepath.Join(strange, "thesis.txt")
	require.NoError(t, os.WriteFile(keep, []byte("x"), 0o600))
	require.ErrorContains(t, WipeData(strange), "refusing to wipe")
	_, err := openDataDir(strange)
	require.ErrorContains(t, err, "not a sidecart data folder")
	require.FileExists(t, keep)

	ours := filepath.Join(t.TempDir(), "deep", "data")
	require.NoError(t, WipeData(ours), "absent is fine")
	d, err := openDataDir(ours)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(ours, "state.db"), []byte("x"), 0o600))
	require.ErrorContains(t, WipeData(ours), "in use")
	d.close()
	require.NoError(t, WipeData(ours))
	require.NoFileExists(t, filepath.Join(ours, "state.db"))
	require.FileExists(t, filepath.Join(ours, markerName))
}

// With such a path the store would be beside the folder, not in it, and two shops could share it.
func TestDataFolderOfAPathThatTheStoreMisreads(t *testing.T) {
	parent := t.TempDir()
	for _, name := range []string{"a?b", "a#b", "a%20b", `a"b`, "a\nb", "a\xffb", filepath.Join("a#b", "data")} {
		_, err := openDataDir(filepath.Join(parent, name))
		require.ErrorContains(t, err, "cannot be part of its path", name)
	}
	entries, err := os.ReadDir(parent)
	require.NoError(t, err)
	require.Empty(t, entries, "a refused folder is not made")
	for _, name := range []string{"my shop", "it's", "ä☕", "a;b,c:d=e&f+g", "-x", "{x}", "$HOME", `back\slash`} {
		d, err := openDataDir(filepath.Join(parent, name))
		require.NoError(t, err, name)
		d.close()
	}
}

func TestHeldPortIsNobodyElses(t *testing.T) {
	p, err := holdPort(0)
	require.NoError(t, err)
	defer p.release()
	p.beforeUse()
	for range 3 {
		require.NoError(t, CheckListen(strings.TrimPrefix(localURL(p.number), "http://")), "its process can take it, again and again")
	}
}

func TestPathsWithACommaReachDaprdWhole(t *testing.T) {
	args := daprdArgs(&App{Settings: Settings{ConfigFile: "/a,b/c.yaml"}}, []string{"/a,b/set", "/plain path"}, Ports{})
	require.Subset(t, args, []string{`"/a,b/set"`, "/plain path", `"/a,b/c.yaml"`})
	require.Equal(t, `"/a""b"`, listed(`/a"b`))
}
