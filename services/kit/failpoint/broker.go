//go:build failpoints

package failpoint

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
)

// broker is what a bad broker did not deliver yet.
var broker struct {
	sync.Mutex
	held func()
}

var faultsPercent = sync.OnceValue(func() int {
	percent, err := strconv.Atoi(os.Getenv("SIDECART_EVENT_FAULTS"))
	if err != nil {
		return 0
	}
	return percent
})

// Deliver delivers as a bad broker does: of a hundred messages, SIDECART_EVENT_FAULTS are in equal parts dropped,
// delivered twice, or held back until the one after them was delivered. It is safe for concurrent use.
func Deliver(deliver func()) {
	switch dice := rand.IntN(300); {
	case dice < faultsPercent():
	case dice < 2*faultsPercent():
		deliver()
		deliver()
	case dice < 3*faultsPercent():
		broker.Lock()
		late := broker.held
		broker.held = deliver
		broker.Unlock()
		if late != nil {
			late()
		}
	default:
		deliver()
		broker.Lock()
		late := broker.held
		broker.held = nil
		broker.Unlock()
		if late != nil {
			late()
		}
	}
}
