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

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
)

// Bounds of a window that profiles are taken of: they last whole seconds, and the services' internal listener does not write for longer
// than two minutes.
const (
	MinProfiled = time.Second
	MaxProfiled = time.Minute
)

// profiles gives, by process, the base URL of Go's profiles of a stack that was told to serve them.
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

// profiler takes profiles of processes into files of dir, named after the turn, the load, the process and what they are of: CPU and
// waiting for locks over the window, and the heap at its end (with all that was allocated until then). The profile of locks is empty for a
// process that does not sample them, which costs something: only peers do when profiles are wanted.
func profiler(dir, turn string, urls map[string]string) func(ctx context.Context, load string, window time.Duration) func() error {
	return func(ctx context.Context, load string, window time.Duration) func() error {
		var all errgroup.Group
		for name, url := range urls {
			take := func(what, of string) error {
				file := strings.ReplaceAll(turn+"-"+load+"-"+name+"."+of+".pprof", " ", "-")
				if err := download(ctx, url+"/debug/pprof/"+what, filepath.Join(dir, file)); err != nil {
					return fmt.Errorf("profile %s of %s: %w", of, name, err)
				}
				return nil
			}
			over := fmt.Sprintf("?seconds=%d", window/time.Second)
			all.Go(func() error { return take("mutex"+over, "mutex") })
			all.Go(func() error { return errors.Join(take("profile"+over, "cpu"), take("heap", "heap")) })
		}
		return all.Wait
	}
}

func download(ctx context.Context, url, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+harness.ProfilesToken)
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

// liveHeap has a process collect its garbage, and gives the bytes of its heap then.
func liveHeap(ctx context.Context, internal string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, internal+"/debug/pprof/heap?gc=1", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+harness.ProfilesToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK {
		return 0, errors.New(res.Status)
	}
	found, err := harness.Scrape(ctx, http.DefaultClient, internal)
	if err != nil {
		return 0, err
	}
	const name = "go_memstats_heap_alloc_bytes"
	live, ok := found[name]
	if !ok {
		return 0, errors.New("it does not tell " + name)
	}
	return live, nil
}
