package overload

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a simulated client waits; an answer after it is of no use to anybody.
const patience = time.Second

// simulation runs a guard before a made-up service, in made-up time: events in order, nothing in parallel, the same each time.
type simulation struct {
	now    time.Time
	events events
	random *rand.Rand
	guard  *Guard
	serve  func(s *simulation, done func(o Outcome)) // takes a request that was let in
	ends   time.Time
	counts [priorities]counts
	inAt   time.Time // counted from here on
}

type counts struct {
	asked, refused int
	useful         int // answered before patience ended
	took           []time.Duration
}

func (c *counts) within(part float64) time.Duration {
	if len(c.took) == 0 {
		return 0
	}
	slices.Sort(c.took)
	return c.took[int(part*float64(len(c.took)-1))]
}

func simulate(t *testing.T, cfg Config, serve func(*simulation, func(Outcome))) *simulation {
	t.Helper()
	s := &simulation{now: time.Unix(1, 0), random: rand.New(rand.NewPCG(1, 2)), serve: serve}
	var err error
	s.guard, err = New(cfg, Deps{Services: []string{"shop"}, Now: func() time.Time { return s.now }})
	require.NoError(t, err)
	return s
}

// arrive asks for perSecond of a priority, at random instants, until the end of run.
func (s *simulation) arrive(p Priority, perSecond float64) {
	s.after(time.Duration(s.random.ExpFloat64()/perSecond*float64(time.Second)), func() {
		if s.now.After(s.ends) {
			return
		}
		s.arrive(p, perSecond)
		c := &s.counts[p]
		counted := !s.now.Before(s.inAt)
		if counted {
			c.asked++
		}
		ticket, err := s.guard.Admit("shop", p)
		if err != nil {
			if counted {
				c.refused++
			}
			return
		}
		began := s.now
		s.serve(s, func(o Outcome) {
			ticket.Done(o)
			took := s.now.Sub(began)
			if !counted {
				return
			}
			c.took = append(c.took, took)
			if took <= patience && o == Answered {
				c.useful++
			}
		})
	})
}

// run goes on for a time; what comes in its first part is not counted.
func (s *simulation) run(uncounted, counted time.Duration) {
	s.counts = [priorities]counts{}
	s.inAt = s.now.Add(uncounted)
	s.ends = s.inAt.Add(counted)
	for len(s.events) > 0 && !s.events[0].at.After(s.ends) {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		e.do()
	}
	s.now = s.ends
}

func (s *simulation) after(d time.Duration, do func()) {
	heap.Push(&s.events, event{s.now.Add(d), do})
}

type event struct {
	at time.Time
	do func()
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// groupCommit is a journal's shard: it takes what waits, 256 at most, and answers all of it when it is written.
type groupCommit struct {
	commit, each time.Duration
	waiting      []func(Outcome)
	writing      bool
}

func (g *groupCommit) capacity() float64 { return 256 / (g.commit + 256*g.each).Seconds() }

func (g *groupCommit) serve(s *simulation, done func(Outcome)) {
	g.waiting = append(g.waiting, done)
	if !g.writing {
		g.write(s)
	}
}

func (g *groupCommit) write(s *simulation) {
	n := min(len(g.waiting), 256)
	if g.writing = n > 0; !g.writing {
		return
	}
	batch := slices.Clone(g.waiting[:n])
	g.waiting = append(g.waiting[:0], g.waiting[n:]...)
	s.after(g.commit+time.Duration(n)*g.each, func() {
		for _, done := range batch {
			done(Answered)
		}
		g.write(s)
	})
}

// workers answer one request each at a time, in the order they came.
type workers struct {
	free, busy int
	mean       time.Duration
	waiting    []func(Outcome)
}

func (w *workers) serve(s *simulation, done func(Outcome)) {
	if w.busy >= w.free {
		w.waiting = append(w.waiting, done)
		return
	}
	w.busy++
	s.after(time.Duration(s.random.ExpFloat64()*float64(w.mean)), func() {
		w.busy--
		done(Answered)
		if len(w.waiting) > 0 && w.busy < w.free {
			next := w.waiting[0]
			w.waiting = w.waiting[1:]
			w.serve(s, next)
		}
	})
}

// far is a service that has room for everything and takes its time.
func far(takes time.Duration) func(*simulation, func(Outcome)) {
	return func(s *simulation, done func(Outcome)) {
		s.after(time.Duration(float64(takes)*(0.8+0.4*s.random.Float64())), func() { done(Answered) })
	}
}
