// Package porttest finds ports for processes that tests start, and may start again. The services, another module, have the same of their own.
package porttest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// The ports are below those that systems give to outgoing connections (from 32768 on with Linux), of which tests open many: so none of these
// takes one before it is listened on, or while who listens there is started again.
const (
	first = 20_000
	after = 32_000
	tries = 100
)

// Free gives n ports of loopback, all different, on which nobody listens.
func Free(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, 0, n)
	for range tries {
		port := first + rand.IntN(after-first)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		defer func() { require.NoError(t, l.Close()) }() // all are held until all are chosen
		if ports = append(ports, port); len(ports) == n {
			return ports
		}
	}
	require.FailNow(t, "no ports are free", "%d of those from %d to %d were tried", tries, first, after)
	return nil
}
