package e2e

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// pack writes some files and folders of a folder into a compressed archive.
func pack(t *testing.T, folder, archive string, names ...string) {
	t.Helper()
	only := t.TempDir()
	for _, name := range names {
		info, err := os.Stat(filepath.Join(folder, name))
		require.NoError(t, err)
		if info.IsDir() {
			require.NoError(t, os.CopyFS(filepath.Join(only, name), os.DirFS(filepath.Join(folder, name))))
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(only, name), content, 0o600))
	}
	file, err := os.Create(archive)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	packed, err := gzip.NewWriterLevel(file, gzip.BestCompression)
	require.NoError(t, err)
	members := tar.NewWriter(packed)
	require.NoError(t, members.AddFS(os.DirFS(only)))
	require.NoError(t, members.Close())
	require.NoError(t, packed.Close())
}

// unpack makes folder of an archive that pack wrote.
func unpack(t *testing.T, archive, folder string) {
	t.Helper()
	file, err := os.Open(archive)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	packed, err := gzip.NewReader(file)
	require.NoError(t, err)
	root, err := os.OpenRoot(mkdir(t, folder))
	require.NoError(t, err)
	defer func() { _ = root.Close() }()
	for members := tar.NewReader(packed); ; {
		member, err := members.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		if member.Typeflag == tar.TypeDir {
			require.NoError(t, root.MkdirAll(filepath.Clean(member.Name), 0o700))
			continue
		}
		content, err := io.ReadAll(members)
		require.NoError(t, err)
		require.NoError(t, root.WriteFile(member.Name, content, 0o600))
	}
}

func mkdir(t *testing.T, folder string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(folder, 0o700))
	return folder
}
