package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/runtime/run"
)

// Bounds of a window that profiles are taken of: they last whole seconds, and the services' internal listener does not write for longer
// than two minutes.
const (
	MinProfiled = time.Second
	MaxProfiled = time.Minute
)

// profiled has a stack serve what profiles reads.
func profiled(o *run.Options) {
	o.Profiles = true
	o.Env["SIDECART_PPROF"] = "true"
}

// profiles gives, by process, the base URL of Go's profiles of a stack that was started with profiled.
func profiles(stack *run.Stack) map[string]string {
	urls := map[string]string{}
	for _, p := range stack.Processes() {
		switch {
		case p.Kind == run.KindApp:
			urls[p.Name] = "http://127.0.0.1:" + strconv.Itoa(p.Ports.Internal)
		case p.Kind == run.KindSidecar:
			urls[p.Name] = "http://127.0.0.1:" + strconv.Itoa(p.Ports.Profile)
		}
	}
	return urls
}

// profiler takes CPU profiles of a stack's processes into files of dir, named after the turn, the load and the process.
func profiler(dir, turn string, stack *run.Stack) func(ctx context.Context, load string, window time.Duration) func() error {
	return func(ctx context.Context, load string, window time.Duration) func() error {
		var all errgroup.Group
		for name, url := range profiles(stack) {
			all.Go(func() error {
				file := strings.ReplaceAll(turn+"-"+load+"-"+name+".pprof", " ", "-")
				err := download(ctx, fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", url, window/time.Second), filepath.Join(dir, file))
				if err != nil {
					return fmt.Errorf("profile of %s: %w", name, err)
				}
				return nil
			})
		}
		return all.Wait
	}
}

func download(ctx context.Context, url, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, res.Body)
	return errors.Join(err, out.Close())
}
