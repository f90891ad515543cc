//go:build failpoints

package failpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// plan is what the environment asks of this life of the process.
type plan struct {
	name   string
	nth    int64 // from 1
	marker string
	hits   atomic.Int64
}

// wanted reads the plan once: it belongs to the process as a whole, because that is what dies of it.
var wanted = sync.OnceValue(func() *plan {
	once := os.Getenv("SIDECART_FAILPOINT_ONCE")
	if once == "" {
		return &plan{}
	}
	for i, entry := range strings.Split(os.Getenv("SIDECART_FAILPOINT"), ",") {
		name, count, counted := strings.Cut(entry, ":")
		p := &plan{name: name, nth: 1, marker: once + "." + strconv.Itoa(i)}
		if counted {
			nth, err := strconv.ParseInt(count, 10, 64)
			if err != nil || nth < 1 {
				continue
			}
			p.nth = nth
		}
		if _, err := os.Stat(p.marker); errors.Is(err, fs.ErrNotExist) {
			return p
		}
	}
	return &plan{}
})

// Hit kills the process if the environment asks for it here and now. It is safe for concurrent use.
func Hit(name string) {
	p := wanted()
	if p.name != name || p.hits.Add(1) != p.nth {
		return
	}
	marker, err := os.OpenFile(p.marker, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_ = marker.Close()
	fmt.Fprintf(os.Stderr, "failpoint %s, hit %d: SIGKILL\n", name, p.nth)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}
