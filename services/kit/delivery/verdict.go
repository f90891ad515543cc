package delivery

import (
	"fmt"
	"strings"
	"time"
)

// Rules say what is asked of the next broker before the present one may go.
type Rules struct {
	Quiet    time.Duration // it has missed nothing for so long
	Segments uint64        // and brought so many segments in a row to every follower
}

// Answer is what a service said about its brokers.
type Answer struct {
	Status
	Up bool // false: it did not answer, and Status has only the name
}

// Verdict says whether the present broker can go.
type Verdict struct {
	CanGo   bool     `json:"can_go"`
	Missing []string `json:"missing"` // what stands against it, a sentence each
}

// Judge looks at what every service said at now. The present broker can go when all services know the same two brokers, all
// publish everything on the next one, and every follower got what the rules ask for.
func Judge(answers []Answer, rules Rules, now time.Time) Verdict {
	v := Verdict{Missing: []string{}}
	say := func(format string, args ...any) { v.Missing = append(v.Missing, fmt.Sprintf(format, args...)) }
	var first *Answer
	for i, a := range answers {
		switch {
		case !a.Up:
			say("%s does not answer", a.Service)
			continue
		case a.Next == "":
			say("%s knows no next broker: set SIDECART_PUBSUB_NEXT", a.Service)
			continue
		case first == nil:
			first = &answers[i]
		case a.Present != first.Present || a.Next != first.Next:
			say("%s moves from %s to %s, and %s from %s to %s: give all the same", a.Service, a.Present, a.Next, first.Service, first.Present, first.Next)
		}
		if a.Percent < wholePercent {
			say("%s publishes %d %% on %s: set SIDECART_PUBSUB_NEXT_PERCENT=100", a.Service, a.Percent, a.Next)
		}
		if p := a.Publishing; p.Published == 0 && p.Failed+p.Dropped > 0 {
			say("%s has got nothing out on %s, its log says why: %d segments failed, %d were dropped", a.Service, a.Next, p.Failed, p.Dropped)
		}
		for _, l := range a.Lines {
			if l.Broker == a.Next {
				l.judge(a.Service, rules, now, say)
			}
		}
	}
	v.CanGo = len(v.Missing) == 0 && first != nil
	return v
}

// judge says what stands against the next broker at one follower.
func (l Line) judge(follower string, rules Rules, now time.Time, say func(format string, args ...any)) {
	who := follower + " ← " + l.Source
	if len(l.Broken) > 0 {
		say("%s: of shard %s, %s has brought nothing since it was given everything or missed something", who, list(l.Broken), l.Broker)
	}
	if l.InARow < rules.Segments && (l.InARow > 0 || len(l.Broken) == 0) {
		say("%s: %s has brought %d segments in a row since it is given everything, %d are asked for", who, l.Broker, l.InARow, rules.Segments)
	}
	if l.InARowSince == nil {
		return // said above, or too quiet to matter
	}
	if quiet := now.Sub(*l.InARowSince); quiet < rules.Quiet {
		say("%s: %s has everything for %s, %s are asked for", who, l.Broker, quiet.Round(time.Second), rules.Quiet)
	}
}

// list is numbers for people: 0, 1, 2.
func list(numbers []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ", "), "[]")
}
