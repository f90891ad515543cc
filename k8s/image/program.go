package image

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Package is what the image runs, in the module services.
const Package = "./cmd/sidecart"

// Tags leave out of gRPC the traces that nobody asked for (golang.org/x/net/trace). Its pages need text/template, and with that in a
// program the linker keeps every exported method of every type: 6 of 32 MB. runtime/cmd/up builds with the same.
const Tags = "grpcnotrace"

// Build compiles the program for Linux on arch (amd64, arm64) into out: static, stripped, without paths of this machine. Go puts the commit
// in when root is a clone.
func Build(ctx context.Context, root, arch, version, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", Tags, "-ldflags", "-s -w -X main.version="+version, "-o", out, Package)
	cmd.Dir = filepath.Join(root, "services")
	// GOFLAGS takes the place of what this machine's user has set with go env -w, which may leave the commit out.
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=auto", "GOWORK=off", "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build for linux/%s: %w\n%s", arch, err, strings.TrimSpace(string(said)))
	}
	return nil
}

// Program is what a built program says of itself.
type Program struct {
	Path     string
	Arch     string
	Version  string
	Revision string    // the commit; "" outside of a clone
	Modified bool      // the clone had changes that are not committed
	Created  time.Time // of the commit, or SOURCE_DATE_EPOCH; the time of everything in the image
	info     *buildinfo.BuildInfo
}

// Inspect reads it. A program that is not for Linux or not static is refused: it would not start from this image.
func Inspect(path, version string) (Program, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return Program{}, fmt.Errorf("%s: %w", path, err)
	}
	p := Program{Path: path, Version: version, Created: time.Unix(0, 0).UTC(), info: info}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["GOOS"] != "linux" || settings["CGO_ENABLED"] != "0" {
		return p, fmt.Errorf("%s: is for %s, CGO_ENABLED=%s: want a static program for linux", path, settings["GOOS"], settings["CGO_ENABLED"])
	}
	p.Arch, p.Revision, p.Modified = settings["GOARCH"], settings["vcs.revision"], settings["vcs.modified"] == "true"
	if at, err := time.Parse(time.RFC3339, settings["vcs.time"]); err == nil {
		p.Created = at.UTC()
	}
	if given := os.Getenv("SOURCE_DATE_EPOCH"); given != "" {
		var seconds int64
		if _, err := fmt.Sscanf(given, "%d", &seconds); err != nil {
			return p, fmt.Errorf("SOURCE_DATE_EPOCH: %q is no number of seconds", given)
		}
		p.Created = time.Unix(seconds, 0).UTC()
	}
	return p, nil
}
