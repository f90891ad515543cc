//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// plan is what the environment asks for. It belongs to the process as a whole, because that is what dies of it.
type plan struct {
	name   string
	nth    int64 // from 1
	marker string
	hits   atomic.Int64
}

var wanted = sync.OnceValue(func() *plan {
	name, count, counted := strings.Cut(os.Getenv("SIDECART_FAILPOINT"), ":")
	p := &plan{name: name, nth: 1, marker: os.Getenv("SIDECART_FAILPOINT_ONCE")}
	if counted {
		nth, err := strconv.ParseInt(count, 10, 64)
		if err != nil || nth < 1 {
			p.name = ""
		}
		p.nth = nth
	}
	return p
})

// Hit kills the process if the environment asks for it here and now. It is safe for concurrent use.
func Hit(name string) {
	p := wanted()
	if p.name != name || p.marker == "" || p.hits.Add(1) != p.nth {
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
