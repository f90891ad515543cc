// Command image is what scripts/image runs: it makes the container image of the services.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/sidecart/sidecart/k8s/image"
)

const usage = `Usage: scripts/image [flags]

Makes the one image that every service is run from and writes it as an OCI archive. No container engine is needed.

  --arch amd64,arm64   processors to build for
  --out FILE           the archive (.bin/image/sidecart.oci.tar)
  --name REF           name and tag (those of k8s/base/app/kustomization.yaml)
  --push               send it to the registry of its name, too, with the credentials of docker or podman login

The files of each image are left in .bin/image/linux-ARCH for the Dockerfile, the list of what is in it as sbom.cdx.json among them.
The time of everything in it is that of the commit, or SOURCE_DATE_EPOCH.

  podman load -i .bin/image/sidecart.oci.tar                      (Docker 25 and later: docker load)
  scripts/image --name registry.example.com/shop/sidecart:0.1.0 --push

Exit code: 0 done, 1 failed, 2 wrong use.
`

type options struct {
	root, out, name string
	archs           []string
	push            bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprint(stdout, usage)
		return 0
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "image: %v\nSee scripts/image --help.\n", err)
		return 2
	}
	if err := build(ctx, o, stdout, stderr); err != nil {
		_, _ = fmt.Fprintln(stderr, "image:", err)
		return 1
	}
	return 0
}

func parse(args []string) (options, error) {
	var o options
	var archs string
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.root, "root", ".", "")
	flags.StringVar(&archs, "arch", "amd64,arm64", "")
	flags.StringVar(&o.out, "out", "", "")
	flags.StringVar(&o.name, "name", "", "")
	flags.BoolVar(&o.push, "push", false, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is not a flag", flags.Arg(0))
	}
	for _, arch := range strings.Split(archs, ",") {
		if arch != "amd64" && arch != "arm64" {
			return o, fmt.Errorf("--arch: %q is neither amd64 nor arm64", arch)
		}
		o.archs = append(o.archs, arch)
	}
	if o.out == "" {
		o.out = filepath.Join(o.root, ".bin", "image", "sidecart.oci.tar")
	}
	if o.name == "" {
		named, err := nameInManifests(o.root)
		if err != nil {
			return o, err
		}
		o.name = named
	}
	if !strings.Contains(o.name[strings.LastIndex(o.name, "/")+1:], ":") {
		return o, fmt.Errorf("--name: %q has no tag", o.name)
	}
	return o, nil
}

// nameInManifests is the image that the manifests ask for: what is made is what they name.
func nameInManifests(root string) (string, error) {
	path := filepath.Join(root, "k8s", "base", "app", "kustomization.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var k types.Kustomization
	if err := yaml.Unmarshal(text, &k); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if len(k.Images) != 1 {
		return "", fmt.Errorf("%s: names %d images, want one", path, len(k.Images))
	}
	return k.Images[0].NewName + ":" + k.Images[0].NewTag, nil
}

func build(ctx context.Context, o options, stdout, stderr io.Writer) error {
	version := o.name[strings.LastIndex(o.name, ":")+1:]
	var images []v1.Image
	var created time.Time
	for _, arch := range o.archs {
		_, _ = fmt.Fprintf(stderr, "building sidecart for linux/%s (the first time takes a minute)\n", arch)
		dir := filepath.Join(o.root, ".bin", "image", "linux-"+arch)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		program, err := filepath.Abs(filepath.Join(dir, image.ProgramPath))
		if err != nil {
			return err
		}
		if err := image.Build(ctx, o.root, arch, version, program); err != nil {
			return err
		}
		p, err := image.Inspect(program, version)
		if err != nil {
			return err
		}
		if err := image.Files(dir, p); err != nil {
			return err
		}
		img, err := image.New(dir, p)
		if err != nil {
			return err
		}
		images, created = append(images, img), p.Created
		if err := tell(stdout, arch, p, img); err != nil {
			return err
		}
	}
	index, err := image.Index(images)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.out), 0o755); err != nil {
		return err
	}
	if err := image.Write(o.out, o.name, index, created); err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "%s\n%s %s\n", o.out, o.name, digest)
	if !o.push {
		return nil
	}
	_, _ = fmt.Fprintf(stderr, "pushing %s\n", o.name)
	return image.Push(ctx, o.name, index)
}

func tell(w io.Writer, arch string, p image.Program, img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	var packed int64
	for _, l := range layers {
		size, err := l.Size()
		if err != nil {
			return err
		}
		packed += size
	}
	info, err := os.Stat(p.Path)
	if err != nil {
		return err
	}
	commit := p.Revision
	if commit == "" {
		commit = "none: not built from a clone"
	}
	if p.Modified {
		commit += ", with changes that are not committed"
	}
	_, err = fmt.Fprintf(w, "linux/%s: program %.1f MB, to be fetched %.1f MB, %d modules, commit %s\n", arch, float64(info.Size())/1e6, float64(packed)/1e6, len(image.Modules(p)), commit)
	return err
}
