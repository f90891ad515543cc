package run

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	defaultStartTimeout = 60 * time.Second
	// Above daprd's own 5 s of graceful shutdown.
	defaultStopTimeout     = 10 * time.Second
	defaultDeathsPerMinute = 5
	defaultMaxBackoff      = 8 * time.Second
)

// Options say what to run and how. Only File and DataDir are required.
type Options struct {
	File *File
	// DataDir is created if absent, must be empty or a data folder of ours, and is locked while the stack runs.
	DataDir string
	// Daprd is the sidecar's program. Empty: the file's runtimePath, as the Dapr CLI finds it.
	Daprd string
	// Resources replaces the first of every app's resourcesPaths, which in our run files is the component set; the others
	// (resiliency) stay. Empty: as in the file.
	Resources []string
	// Programs is the folder of this project's own programs, for a set that needs one as its server. Empty: there are none.
	Programs string
	// FreePorts swaps every port number of the file for a free one, wherever the file means it (see portPlan).
	FreePorts bool
	// Env wins over the file's env, for every process; AppEnv does for one app (all its replicas and their sidecars), over
	// Env, and for one process of it (id-2) over that.
	// The value "127.0.0.1:0" stands for a free port that the runner chooses: in Env one for the whole stack, in AppEnv one
	// for each process.
	Env    map[string]string
	AppEnv map[string]map[string]string
	// SidecarArgs are added to the command line of every sidecar.
	SidecarArgs []string
	// Profiles has every sidecar serve Go's profiles on a free port of its own, where its API listens.
	Profiles bool
	// OnEvent is called for every event, one call at a time. It must not block or call the Stack.
	OnEvent func(Event)

	StartTimeout    time.Duration // until everything is ready; 0: 60 s
	StopTimeout     time.Duration // of each process between SIGTERM and SIGKILL; 0: 10 s
	DeathsPerMinute int           // the death at which the stack gives up; 0: 5
	MaxBackoff      time.Duration // the wait before a restart doubles with each death of the last minute, from 0.5 s to this; 0: 8 s
	LogBytes        int64         // of one log file, of which one old one is kept; 0: 16 MiB
}

// Tokens are the secrets of one run: never logged, never in the state file.
type Tokens struct {
	API string // from an app to its sidecar
	App string // from a sidecar to its app
}

// Stack is a run file at work. Its methods are safe for concurrent use.
type Stack struct {
	opts    Options
	tokens  Tokens
	started time.Time

	stopOnce sync.Once
	stopping chan struct{} // closed when stopping has begun
	done     chan struct{} // closed when everything is gone

	mu      sync.Mutex
	begun   bool
	stopped bool
	ready   bool
	err     error
	changed chan struct{} // closed and replaced whenever a process changes

	// Set by prepare under mu before any process exists, and not changed after.
	data     *dataDir
	ports    *portPlan
	spawner  *spawner
	tiers    map[Kind]*tier
	procs    []*proc
	env      map[string]map[string]string // name of an app's process → entries given
	anyPorts map[string]string
	// servers are the variables that lead to the private servers of the set; serverEnv is the same as an environment.
	servers   map[string]string
	serverEnv []string

	eventMu sync.Mutex
	stateMu sync.Mutex
}

// tier is the processes of one kind that stop together.
type tier struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// New checks the options. It starts nothing and touches nothing.
func New(opts Options) (*Stack, error) {
	if opts.File == nil || len(opts.File.Apps) == 0 {
		return nil, errors.New("run: no run file")
	}
	if opts.DataDir == "" {
		return nil, errors.New("run: no data folder")
	}
	for _, v := range []struct {
		got *time.Duration
		def time.Duration
	}{{&opts.StartTimeout, defaultStartTimeout}, {&opts.StopTimeout, defaultStopTimeout}, {&opts.MaxBackoff, defaultMaxBackoff}} {
		if *v.got <= 0 {
			*v.got = v.def
		}
	}
	if opts.DeathsPerMinute <= 0 {
		opts.DeathsPerMinute = defaultDeathsPerMinute
	}
	if opts.LogBytes <= 0 {
		opts.LogBytes = defaultLogBytes
	}
	return &Stack{
		opts:     opts,
		tokens:   Tokens{API: rand.Text(), App: rand.Text()},
		env:      map[string]map[string]string{},
		anyPorts: map[string]string{},
		stopping: make(chan struct{}),
		done:     make(chan struct{}),
		changed:  make(chan struct{}),
		tiers:    map[Kind]*tier{},
	}, nil
}

// Start starts everything and returns when everything is ready. On an error, or when ctx ends first, everything
// has been stopped again. It may be called once.
func (s *Stack) Start(ctx context.Context) error {
	if err := s.begin(); err != nil {
		if !errors.Is(err, errBegun) {
			s.stop(err)
		}
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.StartTimeout)
	defer cancel()
	if err := s.startAll(ctx); err != nil {
		s.stop(err)
		return cmp.Or(s.Err(), err)
	}
	s.mu.Lock()
	s.ready = true
	s.mu.Unlock()
	s.stateChanged()
	s.event(EventReady, "", fmt.Sprintf("%d processes ready in %.1fs", len(s.list()), time.Since(s.started).Seconds()))
	return nil
}

var errBegun = errors.New("the stack was started or stopped before")

func (s *Stack) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun || s.stopped {
		return errBegun
	}
	s.begun = true
	return s.prepare()
}

// prepare takes the data folder and the ports and works out every process, without starting one.
func (s *Stack) prepare() (err error) {
	s.started = time.Now().UTC()
	if s.data, err = openDataDir(s.opts.DataDir); err != nil {
		return err
	}
	s.ports = newPortPlan(s.opts.File, s.opts.FreePorts)
	s.spawner = newSpawner()
	for _, k := range []Kind{KindServer, KindInfra, KindApp, KindSidecar} {
		t := &tier{}
		t.ctx, t.cancel = context.WithCancel(context.Background())
		s.tiers[k] = t
	}
	set, err := s.componentSet()
	if err != nil {
		return err
	}
	if err := s.planServers(set); err != nil {
		return err
	}
	s.opts.File = s.opts.File.without(set)
	client := newProbeClient()
	for i := range s.opts.File.Apps {
		if err := s.plan(&s.opts.File.Apps[i], client); err != nil {
			return err
		}
	}
	return s.cleanNames()
}

// cleanNames deletes what sidecars of an earlier run that was killed left in the folder of names: stale entries are handed
// out for seconds. Nobody uses them now: the data folder is locked.
func (s *Stack) cleanNames() error {
	for _, env := range s.env {
		dir := env[namesDirEnv]
		if dir == "" || !strings.HasPrefix(dir, s.data.Path) {
			continue
		}
		old, err := filepath.Glob(dir + namesPattern)
		if err != nil {
			return fmt.Errorf("%s: %w", namesDirEnv, err)
		}
		for _, name := range old {
			if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("%s: %w", namesDirEnv, err)
			}
		}
	}
	return nil
}

// startAll starts the servers together, then infrastructure one by one, then the rest together.
func (s *Stack) startAll(ctx context.Context) error {
	if err := s.startTogether(ctx, KindServer); err != nil {
		return err
	}
	for _, p := range s.list() {
		if p.view.Kind != KindInfra {
			continue
		}
		s.launch(p)
		if err := s.await(ctx, []string{p.view.Name}); err != nil {
			return err
		}
	}
	return s.startTogether(ctx, KindApp, KindSidecar)
}

func (s *Stack) startTogether(ctx context.Context, kinds ...Kind) error {
	var names []string
	for _, p := range s.list() {
		if slices.Contains(kinds, p.view.Kind) {
			s.launch(p)
			names = append(names, p.view.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return s.await(ctx, names)
}

// launch starts to supervise a process, unless stopping has begun.
func (s *Stack) launch(p *proc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	t := s.tiers[p.view.Kind]
	ctx := t.ctx
	if p.view.Kind == KindInfra || p.view.Kind == KindServer {
		// Servers and infrastructure stop one by one, in reverse order: see stopInfra.
		ctx, p.cancel = context.WithCancel(t.ctx)
		p.ended = make(chan struct{})
	}
	t.wg.Go(func() {
		if p.ended != nil {
			defer close(p.ended)
		}
		if err := p.supervise(ctx); err != nil {
			// Not from here: stop waits for this goroutine.
			go s.stop(err)
		}
	})
}

// Run starts the stack, waits for ctx to end or the stack to give up, and stops everything.
func (s *Stack) Run(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return s.Stop(context.WithoutCancel(ctx))
	case <-s.Done():
		return s.Err()
	}
}

// Done is closed when the stack has ended and no process is left.
func (s *Stack) Done() <-chan struct{} { return s.done }

// Err says why the stack gave up; nil while it runs and after an ordinary Stop.
func (s *Stack) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Stop stops apps, then sidecars, then infrastructure and servers in reverse order, and returns when no process is left or ctx ends (then stopping
// goes on). It may be called any number of times, also before Start. The error is Err, or that of ctx.
func (s *Stack) Stop(ctx context.Context) error {
	go s.stop(nil)
	select {
	case <-s.done:
		return s.Err()
	case <-ctx.Done():
		return fmt.Errorf("stopping: %w", ctx.Err())
	}
}

// stop is the only way down. The first caller's error is the reason; every caller waits for the end.
func (s *Stack) stop(reason error) {
	s.stopOnce.Do(func() {
		s.mu.Lock()
		s.stopped = true
		s.err = reason
		s.mu.Unlock()
		close(s.stopping)
		for _, k := range []Kind{KindApp, KindSidecar} {
			if t := s.tiers[k]; t != nil {
				t.cancel()
				t.wg.Wait()
			}
		}
		s.stopInfra()
		if s.spawner != nil {
			s.spawner.close()
		}
		for _, p := range s.procs {
			p.log.close()
		}
		if s.ports != nil {
			s.ports.release()
		}
		if s.data != nil {
			s.removeState()
			s.data.close()
		}
		close(s.done)
	})
	<-s.done
}

func (s *Stack) stopInfra() {
	for i := len(s.procs) - 1; i >= 0; i-- {
		if p := s.procs[i]; p.cancel != nil {
			p.cancel()
			<-p.ended
		}
	}
	for _, k := range []Kind{KindInfra, KindServer} {
		if t := s.tiers[k]; t != nil {
			t.cancel()
			t.wg.Wait()
		}
	}
}

// list is the processes, none before Start has planned them. The slice does not change.
func (s *Stack) list() []*proc {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.procs
}

func (s *Stack) event(kind EventKind, process, text string) {
	if s.opts.OnEvent == nil {
		return
	}
	s.eventMu.Lock()
	defer s.eventMu.Unlock()
	s.opts.OnEvent(Event{At: time.Now().UTC(), Kind: kind, Process: process, Text: text})
}
