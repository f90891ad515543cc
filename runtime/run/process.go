package run

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/sidecart/sidecart/runtime/servers"
)

// Kind is what a process is in the stack; it decides the order of starting and stopping.
type Kind string

// The kinds, in the order in which they start.
const (
	KindServer  Kind = "server" // a private store or broker of the component set
	KindInfra   Kind = "infra"
	KindApp     Kind = "app"
	KindSidecar Kind = "sidecar"
)

// State is where a process is in its life.
type State string

// The states of a process.
const (
	StateWaiting    State = "waiting"     // its turn to start has not come
	StateStarting   State = "starting"    // running, not healthy yet
	StateReady      State = "ready"       // running, and was healthy once since it started
	StateBackingOff State = "backing off" // died, will be started again
	StateHeld       State = "held"        // kept down by StopProcess or KillProcess
	StateStopped    State = "stopped"
	StateFailed     State = "failed" // died too often, or before it was ever ready
)

// Process describes a process at one moment.
type Process struct {
	Name     string `json:"name"` // app id (of its second process id-2, …), and of its sidecar the same + ".daprd"
	App      string `json:"app"`  // app id
	Kind     Kind   `json:"kind"`
	PID      int    `json:"pid,omitempty"` // 0 when it is not running
	State    State  `json:"state"`
	Restarts int    `json:"restarts"`
	Ports    Ports  `json:"ports"`
	URL      string `json:"url,omitempty"`
	Log      string `json:"log"`
	Version  string `json:"version,omitempty"` // of a server, such as "Redis 7.0.15"
}

const (
	sidecarSuffix   = ".daprd"
	deathWindow     = time.Minute
	minBackoff      = 500 * time.Millisecond
	maxDeathsInMind = 1000
	// Sidecars that start together can find a component busy with another of them: SQLite refuses all but one of those who
	// open a new file at the same moment ("database is locked").
	sidecarAttempts = 3
)

// proc supervises one process. Its goroutine (supervise) owns everything but what mu guards.
type proc struct {
	stack *Stack
	argv  []string
	dir   string
	env   []string
	probe probe
	log   *logFile
	// setup is done before every start; nil: nothing. Its error ends the stack, unless ctx has ended.
	setup func(ctx context.Context) error
	user  *servers.User // of servers only: as whom it runs; nil: as we do
	late  bool          // of servers only: sidecars start while it is away
	// asks it to end; 0: SIGTERM
	stopSignal syscall.Signal
	// Of servers and infrastructure only, which stop one by one.
	cancel context.CancelFunc
	ended  chan struct{}

	control chan controlRequest
	// turn orders control calls: a second one on the same process waits for the first.
	turn chan struct{}

	mu        sync.Mutex
	view      Process
	inst      *instance
	lastProbe error
}

type controlRequest struct {
	start  bool           // else hold down
	signal syscall.Signal // 0: the one that asks it to end
	reply  chan error
}

// supervise runs the process until ctx ends, then stops it. The error says why it gave up.
func (p *proc) supervise(ctx context.Context) error {
	var deaths []time.Time
	unready := 0 // lives that ended before it was ever ready; 0 once it was
	ready := false
	down := false
	for ctx.Err() == nil {
		if down {
			down = !p.awaitStart(ctx)
			continue
		}
		if held, err := p.prepare(ctx); held || ctx.Err() != nil {
			down = held
			continue
		} else if err != nil {
			p.setState(StateFailed, 0)
			return fmt.Errorf("%s: setting up: %w", p.view.Name, err)
		}
		in, err := p.start()
		if err != nil {
			p.setState(StateFailed, 0)
			return fmt.Errorf("%s: %w", p.view.Name, err)
		}
		end := p.watch(ctx, in)
		ready = ready || end.wasReady
		if end.held || ctx.Err() != nil {
			down = end.held
			continue
		}
		deaths = recent(append(deaths, time.Now()))
		if unready++; ready {
			unready = 0
		}
		if err := p.verdict(in, len(deaths), unready); err != nil {
			p.setState(StateFailed, 0)
			return err
		}
		down = p.backOff(ctx, in, len(deaths))
		p.mu.Lock()
		p.view.Restarts++
		p.mu.Unlock()
	}
	p.setState(StateStopped, 0)
	return nil
}

// recent drops deaths that are older than the window.
func recent(deaths []time.Time) []time.Time {
	for len(deaths) > 0 && (time.Since(deaths[0]) > deathWindow || len(deaths) > maxDeathsInMind) {
		deaths = deaths[1:]
	}
	return deaths
}

// prepare does the set-up that comes before a start. held: it was told to stay down meanwhile.
func (p *proc) prepare(ctx context.Context) (held bool, err error) {
	if p.setup == nil {
		return false, nil
	}
	p.setState(StateStarting, 0)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.setup(ctx) }()
	for {
		select {
		case err := <-done:
			return false, err
		case r := <-p.control:
			if r.start {
				r.reply <- nil
				continue
			}
			cancel()
			<-done
			p.hold(r, "held down")
			return true, nil
		}
	}
}

func (p *proc) start() (*instance, error) {
	p.stack.ports.beforeUse(p.view.Ports)
	in, err := p.stack.spawner.spawn(p.argv, p.dir, p.env, p.user, p.log)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.inst = in
	p.mu.Unlock()
	p.setState(StateStarting, in.cmd.Process.Pid)
	p.stack.event(EventStarting, p.view.Name, fmt.Sprintf("starting (process %d)", in.cmd.Process.Pid))
	return in, nil
}

type ending struct {
	wasReady bool
	held     bool
}

// watch follows one life of the process: it becomes healthy, it dies, it is held down, or the stack stops.
func (p *proc) watch(ctx context.Context, in *instance) ending {
	var end ending
	probing, cancel := context.WithCancel(ctx)
	defer cancel()
	healthy := make(chan struct{})
	go p.awaitHealthy(probing, healthy)
	for {
		select {
		case <-healthy:
			healthy = nil
			end.wasReady = true
			p.setState(StateReady, in.cmd.Process.Pid)
			p.stack.event(EventReady, p.view.Name, "ready")
		case <-in.exited:
			select {
			case <-healthy: // just before it died
				end.wasReady = true
			default:
			}
			return end
		case <-ctx.Done():
			in.end(cmp.Or(p.stopSignal, syscall.SIGTERM), p.stack.opts.StopTimeout)
			p.stack.event(EventStopped, p.view.Name, "stopped ("+in.exit+")")
			return end
		case r := <-p.control:
			if r.start {
				r.reply <- nil
				continue
			}
			in.end(cmp.Or(r.signal, p.stopSignal, syscall.SIGTERM), p.stack.opts.StopTimeout)
			p.hold(r, "held down ("+in.exit+")")
			end.held = true
			return end
		}
	}
}

func (p *proc) hold(r controlRequest, text string) {
	p.setState(StateHeld, 0)
	p.stack.event(EventHeld, p.view.Name, text)
	r.reply <- nil
}

// awaitStart blocks while the process is held down; false when the stack stops.
func (p *proc) awaitStart(ctx context.Context) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case r := <-p.control:
			r.reply <- nil
			if r.start {
				return true
			}
		}
	}
}

// verdict decides whether a death is one too many.
func (p *proc) verdict(in *instance, deaths, unready int) error {
	limit := p.stack.opts.DeathsPerMinute
	words := lastWords(p.view.Log, in.logOffset)
	if words != "" {
		words = ": " + words
	}
	if unready > 0 && (p.view.Kind != KindSidecar || unready >= sidecarAttempts) {
		return fmt.Errorf("%s ended before it was ready (%s)%s [log: %s]", p.view.Name, in.exit, words, p.view.Log)
	}
	if deaths >= limit {
		err := fmt.Errorf("%s died %d times within a minute, giving up; the last time (%s)%s [log: %s]",
			p.view.Name, deaths, in.exit, words, p.view.Log)
		p.stack.event(EventGaveUp, p.view.Name, fmt.Sprintf("died (%s), %d of %d in the last minute: giving up", in.exit, deaths, limit))
		return err
	}
	return nil
}

// backOff waits before the next start, longer after each death; it reports whether the process is to be held down.
func (p *proc) backOff(ctx context.Context, in *instance, deaths int) (held bool) {
	wait := min(minBackoff<<min(deaths-1, 10), p.stack.opts.MaxBackoff)
	p.setState(StateBackingOff, 0)
	p.stack.event(EventDied, p.view.Name, fmt.Sprintf("died (%s), restarting in %gs (%d of %d in the last minute)",
		in.exit, wait.Seconds(), deaths, p.stack.opts.DeathsPerMinute))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		case r := <-p.control:
			if r.start {
				r.reply <- nil
				return false
			}
			p.hold(r, "held down")
			return true
		}
	}
}

func (p *proc) setState(s State, pid int) {
	p.mu.Lock()
	p.view.State, p.view.PID = s, pid
	if pid == 0 {
		p.inst = nil
	}
	p.mu.Unlock()
	p.stack.stateChanged()
}

func (p *proc) condemned() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inst != nil && p.inst.condemned.Load()
}

func (p *proc) snapshot() Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.view
}
