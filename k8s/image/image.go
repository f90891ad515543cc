package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Where things are in the image, and who runs it. The Dockerfile says the same.
const (
	ProgramPath = "sidecart"
	RootsPath   = "etc/ssl/certs/ca-certificates.crt" // where Go looks first
	SBOMPath    = "sbom.cdx.json"
	User        = "65532:65532" // nobody in particular; Kubernetes needs a number to know that it is not root
)

// MaxBytes bounds an image as it lies on a node's disk. A larger one has something in it that should not be there.
const MaxBytes = 30_000_000

// Source is where the project is kept.
const Source = "https://github.com/sidecart/sidecart"

// file is one file of the image.
type file struct {
	path string
	mode int64
	data []byte
}

// Files writes what the image has below dir, as it lies in the image: for the Dockerfile, and for New. dir is made.
func Files(dir string, p Program) error {
	roots, err := Roots()
	if err != nil {
		return err
	}
	sbom, err := SBOM(p)
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{RootsPath: roots, SBOMPath: sbom} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// New makes the image of the files below dir (see Files), with the program p among them. The authorities are a layer of their own: it is the
// same in most releases, and nodes that have it do not fetch it again.
func New(dir string, p Program) (v1.Image, error) {
	read := func(path string, mode int64) (file, error) {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		return file{path, mode, data}, err
	}
	roots, err := read(RootsPath, 0o444)
	if err != nil {
		return nil, err
	}
	program, err := read(ProgramPath, 0o555)
	if err != nil {
		return nil, err
	}
	sbom, err := read(SBOMPath, 0o444)
	if err != nil {
		return nil, err
	}
	if size := len(roots.data) + len(program.data) + len(sbom.data); size > MaxBytes {
		return nil, fmt.Errorf("the image for %s would have %d bytes, the bound is %d", p.Arch, size, MaxBytes)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.ConfigFile(base, config(p))
	if err != nil {
		return nil, err
	}
	for _, l := range []struct {
		says  string
		files []file
	}{{"certificate authorities", []file{roots}}, {"program and what it is made of", []file{program, sbom}}} {
		layer, err := layerOf(l.files, p.Created)
		if err != nil {
			return nil, err
		}
		img, err = mutate.Append(img, mutate.Addendum{
			Layer: layer, MediaType: types.OCILayer, History: v1.History{Created: v1.Time{Time: p.Created}, CreatedBy: "scripts/image: " + l.says},
		})
		if err != nil {
			return nil, err
		}
	}
	return img, nil
}

func config(p Program) *v1.ConfigFile {
	revision := p.Revision
	if p.Modified {
		revision += "-modified"
	}
	return &v1.ConfigFile{
		Architecture: p.Arch, Variant: variant(p.Arch), OS: "linux", Created: v1.Time{Time: p.Created}, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User: User, WorkingDir: "/", Entrypoint: []string{"/" + ProgramPath}, Cmd: []string{"--help"},
			ExposedPorts: map[string]struct{}{"8080/tcp": {}},
			Labels: map[string]string{
				"org.opencontainers.image.title": "sidecart", "org.opencontainers.image.version": p.Version, "org.opencontainers.image.revision": revision,
				"org.opencontainers.image.source": Source, "org.opencontainers.image.licenses": "Apache-2.0",
				"org.opencontainers.image.created": p.Created.Format(time.RFC3339),
			},
		},
	}
}

// layerOf makes a layer that depends on its files and the time alone: no order of a folder, no owner, no clock of this machine.
func layerOf(files []file, at time.Time) (v1.Layer, error) {
	var text bytes.Buffer
	out := tar.NewWriter(&text)
	var folders []string
	for _, f := range files {
		for i, c := range f.path {
			if c == '/' && !slices.Contains(folders, f.path[:i]) {
				folders = append(folders, f.path[:i])
			}
		}
	}
	for _, dir := range folders {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: at, Format: tar.FormatPAX}); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.data)), ModTime: at, Format: tar.FormatPAX}); err != nil {
			return nil, err
		}
		if _, err := out.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil },
		tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithMediaType(types.OCILayer))
}

// Index joins the images of several processors under one name.
func Index(images []v1.Image) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, img := range images {
		c, err := img.ConfigFile()
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}},
		})
	}
	return index, nil
}

// variant is what registries call the arm64 that Build compiles for; amd64 has none.
func variant(arch string) string {
	if arch == "arm64" {
		return "v8"
	}
	return ""
}
