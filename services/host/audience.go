package host

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// listensFor is how long a process that asked for a journal counts as one that follows it. Followers ask for the heads every 2 s
// (kit/follow) and reach a replica of the source each time, any of them: so it is many times that.
const listensFor = time.Minute

// audience knows which services of this host are followed in other processes, which hear of news by the broker: those whose journal was
// asked for through the sidecar lately. Followers in this process ask without a sidecar. One that begins elsewhere is heard of with its first
// question; what was committed before that, it finds by the answer. It is safe for concurrent use.
type audience struct {
	now     func() time.Time
	asked   map[string]*atomic.Pointer[time.Time] // by service of this host; the map is not changed any more
	release bool                                  // of a service beside another: followers ask the app that has the service's name, and never this one
}

func newAudience(app string, services []string, now func() time.Time) *audience {
	a := &audience{now: now, asked: map[string]*atomic.Pointer[time.Time]{}, release: app != "" && len(services) == 1 && services[0] != app}
	for _, name := range services {
		a.asked[name] = &atomic.Pointer[time.Time]{}
	}
	return a
}

// note takes notice of a request that came through the sidecar: of one to a service's journal (journal.Register).
func (a *audience) note(path string) {
	service, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if route, _, _ := strings.Cut(rest, "/"); "/"+route != journal.Route {
		return
	}
	if asked, here := a.asked[service]; here {
		now := a.now()
		asked.Store(&now)
	}
}

// elsewhere tells whether a service of this host is followed in other processes, or may be and nothing here would show it.
func (a *audience) elsewhere(service string) bool {
	if a.release {
		return true
	}
	at := a.asked[service].Load()
	return at != nil && a.now().Sub(*at) < listensFor
}
