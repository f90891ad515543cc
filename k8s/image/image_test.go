package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var root = filepath.Join("..", "..")

const small = `package main

import "fmt"

func main() { fmt.Println("small") }
`

// smallProgram stands for sidecart where only the packing matters: compiling it takes a second.
func smallProgram(t *testing.T, system, arch string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(small), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/small\n\ngo 1.26\n"), 0o600))
	out := filepath.Join(t.TempDir(), ProgramPath)
	cmd := exec.Command("go", "build", "-trimpath", "-o", out, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch)
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
	return out
}

// indexOf packs a program.
func indexOf(t *testing.T, program string) (v1.ImageIndex, Program) {
	t.Helper()
	p, err := Inspect(program, "1.2.3")
	require.NoError(t, err)
	dir := filepath.Dir(program)
	require.NoError(t, Files(dir, p))
	img, err := New(dir, p)
	require.NoError(t, err)
	index, err := Index([]v1.Image{img})
	require.NoError(t, err)
	return index, p
}

// sumOfArchive packs a program, writes the archive and gives its SHA-256.
func sumOfArchive(t *testing.T, program string) string {
	t.Helper()
	index, p := indexOf(t, program)
	out := filepath.Join(t.TempDir(), "small.oci.tar")
	require.NoError(t, Write(out, "registry.invalid/small:1.2.3", index, p.Created))
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// TestTheSameMakesTheSame: whoever builds the same commit can compare digests.
func TestTheSameMakesTheSame(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1763700000")
	one, two := smallProgram(t, "linux", "arm64"), smallProgram(t, "linux", "arm64")
	require.NotEqual(t, one, two)
	first := sumOfArchive(t, one)
	assert.Equal(t, first, sumOfArchive(t, two), "two builds, in two folders")
	t.Setenv("SOURCE_DATE_EPOCH", "1763700001")
	assert.NotEqual(t, first, sumOfArchive(t, one), "another time is another image")
}

func TestWhatWouldNotStartIsRefused(t *testing.T) {
	_, err := Inspect(smallProgram(t, "darwin", "arm64"), "1")
	require.ErrorContains(t, err, "want a static program for linux")
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("no program"), 0o600))
	_, err = Inspect(text, "1")
	require.ErrorContains(t, err, text)
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	_, err = Inspect(smallProgram(t, "linux", "amd64"), "1")
	require.ErrorContains(t, err, "SOURCE_DATE_EPOCH")
}

func TestAnImageThatIsTooLargeIsRefused(t *testing.T) {
	program := smallProgram(t, "linux", "amd64")
	p, err := Inspect(program, "1")
	require.NoError(t, err)
	require.NoError(t, Files(filepath.Dir(program), p))
	require.NoError(t, os.Truncate(program, MaxBytes))
	_, err = New(filepath.Dir(program), p)
	require.ErrorContains(t, err, "the bound is 30000000")
}

func TestAuthorities(t *testing.T) {
	roots, err := Roots()
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(roots))
	assert.Greater(t, bytes.Count(roots, []byte("BEGIN CERTIFICATE")), 100)
}

// TestPush sends an image to a registry in this process and takes it back.
func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	index, _ := indexOf(t, smallProgram(t, "linux", "amd64"))
	address := strings.TrimPrefix(server.URL, "http://") + "/shop/sidecart:1"
	require.NoError(t, Push(t.Context(), address, index))
	ref, err := name.ParseReference(address)
	require.NoError(t, err)
	pulled, err := remote.Index(ref)
	require.NoError(t, err)
	require.NoError(t, validate.Index(pulled))
	want, err := index.Digest()
	require.NoError(t, err)
	got, err := pulled.Digest()
	require.NoError(t, err)
	assert.Equal(t, want, got)
	require.ErrorContains(t, Push(t.Context(), "not a name", index), "not a name")
}

// TestDockerfileSaysTheSame keeps the two ways to the image equal.
func TestDockerfileSaysTheSame(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	require.NoError(t, err)
	c := config(Program{})
	for _, line := range []string{
		"FROM scratch", "COPY .bin/image/linux-${TARGETARCH}/ /", "USER " + c.Config.User, "WORKDIR " + c.Config.WorkingDir,
		`ENTRYPOINT ["` + c.Config.Entrypoint[0] + `"]`, `CMD ["` + c.Config.Cmd[0] + `"]`, "EXPOSE 8080/tcp",
	} {
		assert.Contains(t, string(text), "\n"+line+"\n")
	}
	assert.Equal(t, 1, strings.Count(string(text), "\nFROM "))
}

// TestTheRealImage makes the image of sidecart for both processors, reads the archive back, and runs this machine's program out of its
// layers.
func TestTheRealImage(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the services for two processors")
	}
	var images []v1.Image
	var last Program
	for _, arch := range []string{"amd64", "arm64"} {
		dir := t.TempDir()
		require.NoError(t, Build(t.Context(), root, arch, "9.9.9", absolute(t, filepath.Join(dir, ProgramPath))))
		p, err := Inspect(filepath.Join(dir, ProgramPath), "9.9.9")
		require.NoError(t, err)
		require.NoError(t, Files(dir, p))
		img, err := New(dir, p)
		require.NoError(t, err)
		images, last = append(images, img), p
	}
	version := "sidecart 9.9.9"
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		require.Len(t, last.Revision, 40, "the commit is in the program")
		version += ", commit " + last.Revision
	}
	index, err := Index(images)
	require.NoError(t, err)
	archive := filepath.Join(t.TempDir(), "sidecart.oci.tar")
	require.NoError(t, Write(archive, "registry.invalid/sidecart:9.9.9", index, last.Created))

	back := readBack(t, archive)
	require.NoError(t, validate.Index(back), "digests, sizes and media types agree")
	manifest, err := back.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 2)
	for _, m := range manifest.Manifests {
		t.Run(m.Platform.Architecture, func(t *testing.T) {
			img, err := back.Image(m.Digest)
			require.NoError(t, err)
			c, err := img.ConfigFile()
			require.NoError(t, err)
			assert.Equal(t, m.Platform.Architecture, c.Architecture)
			assert.Equal(t, User, c.Config.User)
			assert.Equal(t, "9.9.9", c.Config.Labels["org.opencontainers.image.version"])
			assert.Equal(t, last.Revision, strings.TrimSuffix(c.Config.Labels["org.opencontainers.image.revision"], "-modified"))
			dir := t.TempDir()
			bytes := unpack(t, img, dir)
			assert.LessOrEqual(t, bytes, int64(MaxBytes))
			t.Logf("%s: %.1f MB on disk", c.Architecture, float64(bytes)/1e6)
			sound(t, filepath.Join(dir, SBOMPath), filepath.Join(dir, ProgramPath))
			if c.Architecture == runtime.GOARCH {
				serves(t, dir, version+"\n")
			}
		})
	}
}

// sound compares the list of parts with the program that lies beside it.
func sound(t *testing.T, sbom, program string) {
	t.Helper()
	var bom struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct{ Name, Version, Purl string }
	}
	text, err := os.ReadFile(sbom)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &bom))
	assert.Equal(t, "CycloneDX", bom.BOMFormat)
	p, err := Inspect(program, "9.9.9")
	require.NoError(t, err)
	listed := map[string]string{}
	for _, c := range bom.Components {
		listed[c.Name] = c.Version
		assert.True(t, strings.HasPrefix(c.Purl, "pkg:golang/"+c.Name+"@"), c.Purl)
	}
	for _, m := range p.info.Deps {
		assert.Equal(t, m.Version, listed[m.Path], m.Path)
	}
	assert.Equal(t, strings.TrimPrefix(p.info.GoVersion, "go"), listed["std"])
	assert.Contains(t, listed, "github.com/labstack/echo/v4")
	assert.Len(t, listed, len(p.info.Deps)+1)
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	require.NoError(t, err)
	return path
}

// readBack takes an archive apart and opens the one index in it.
func readBack(t *testing.T, archive string) v1.ImageIndex {
	t.Helper()
	f, err := os.Open(archive)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	dir := t.TempDir()
	untar(t, f, dir)
	outer, err := layout.ImageIndexFromPath(dir)
	require.NoError(t, err)
	manifest, err := outer.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 1)
	assert.Equal(t, "registry.invalid/sidecart:9.9.9", manifest.Manifests[0].Annotations[refName])
	index, err := outer.ImageIndex(manifest.Manifests[0].Digest)
	require.NoError(t, err)
	return index
}

// unpack makes the root of a container out of the layers, and gives its size in bytes.
func unpack(t *testing.T, img v1.Image, dir string) int64 {
	t.Helper()
	layers := mutate.Extract(img)
	defer func() { require.NoError(t, layers.Close()) }()
	return untar(t, layers, dir)
}

func untar(t *testing.T, from io.Reader, dir string) (bytes int64) {
	t.Helper()
	for in := tar.NewReader(from); ; {
		h, err := in.Next()
		if err == io.EOF {
			return bytes
		}
		require.NoError(t, err)
		require.True(t, filepath.IsLocal(h.Name), h.Name)
		path := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			require.NoError(t, os.MkdirAll(path, 0o755))
			continue
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		data, err := io.ReadAll(in)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, data, os.FileMode(h.Mode)))
		bytes += int64(len(data))
	}
}
