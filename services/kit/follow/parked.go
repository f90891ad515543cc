package follow

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// CodeParkedNotFound says that nothing is parked under an id, or not any more.
const CodeParkedNotFound = journal.CodeParkedNotFound

// Kinds of what is parked, and the prefixes of their ids.
const (
	KindEvent = "event" // of a followed journal, whose effect kept failing
	KindTask  = "task"  // an effect on the outside world that kept failing

	eventPrefix = "e-"
	taskPrefix  = "t-"
)

// Parked is something that was given up on and waits for an operator.
type Parked struct {
	ID       string         `json:"id"` // url-safe, unique in its service
	Service  string         `json:"service"`
	Kind     string         `json:"kind"`
	Source   string         `json:"source"` // the service followed, or the binding called
	Type     string         `json:"type"`
	Reason   string         `json:"reason"`
	Attempts int            `json:"attempts"`
	ParkedAt time.Time      `json:"parked_at"`
	Data     jsontext.Value `json:"data,omitempty"` // may hold personal data: internal routes only
}

// Tasks are a service's parked effects on the outside world (kit/task). Ids are url-safe; an unknown one gives
// an error of code CodeParkedNotFound.
type Tasks interface {
	Parked() []Parked
	Retry(ctx context.Context, id string) error
	Discard(ctx context.Context, id string) error
}

// parking is everything that one service has parked.
type parking struct {
	service   string
	target    Target
	followers []*Follower
	tasks     Tasks // may be nil
}

// list gives everything, oldest first.
func (p *parking) list() []Parked {
	items := []Parked{}
	select {
	case <-p.target.Loaded():
		for _, e := range p.target.Parked() {
			items = append(items, Parked{
				ID: eventPrefix + e.ID, Service: p.service, Kind: KindEvent, Source: e.Source, Type: e.Event.Type,
				Reason: e.Reason, Attempts: e.Attempts, ParkedAt: e.ParkedAt, Data: e.Event.Data,
			})
		}
	default:
	}
	if p.tasks != nil {
		for _, t := range p.tasks.Parked() {
			t.ID, t.Service, t.Kind = taskPrefix+t.ID, p.service, KindTask
			items = append(items, t)
		}
	}
	slices.SortFunc(items, byAge)
	return items
}

func byAge(a, b Parked) int {
	if c := a.ParkedAt.Compare(b.ParkedAt); c != 0 {
		return c
	}
	return cmp.Compare(a.ID, b.ID)
}

// page gives what follows cursor, and the next cursor.
func (p *parking) page(cursor string, limit int) ([]Parked, string, error) {
	items := p.list()
	if cursor != "" {
		after, err := readCursor(cursor)
		if err != nil {
			return nil, "", err
		}
		from, found := slices.BinarySearchFunc(items, after, byAge)
		if found {
			from++
		}
		items = items[from:]
	}
	if len(items) <= limit {
		return items, "", nil
	}
	items = items[:limit]
	return items, writeCursor(items[limit-1]), nil
}

// A cursor names the last entry of the page before, so that a list which shrinks meanwhile loses nothing.
func writeCursor(p Parked) string {
	text, _ := json.Marshal([]string{p.ParkedAt.Format(time.RFC3339Nano), p.ID}) // two strings always encode
	return base64.RawURLEncoding.EncodeToString(text)
}

func readCursor(cursor string) (Parked, error) {
	var parts []string
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(text, &parts)
	}
	if err == nil && len(parts) == 2 {
		if at, err := time.Parse(time.RFC3339Nano, parts[0]); err == nil {
			return Parked{ParkedAt: at, ID: parts[1]}, nil
		}
	}
	return Parked{}, errs.InvalidField("cursor", "is not one that this list gave")
}

// retry runs the effect of one entry again; it stays parked if that fails.
func (p *parking) retry(ctx context.Context, id string) error {
	if task, ok := strings.CutPrefix(id, taskPrefix); ok && p.tasks != nil {
		return p.tasks.Retry(ctx, task)
	}
	entry, err := p.find(id)
	if err != nil {
		return err
	}
	for _, f := range p.followers {
		if f.cfg.Source == entry.Source {
			return f.retry(ctx, entry)
		}
	}
	return errs.Newf(errs.Conflict, "source_not_followed", "%s is not followed any more: the event can only be discarded", entry.Source)
}

// discard forgets one entry without its effect.
func (p *parking) discard(ctx context.Context, id string) error {
	if task, ok := strings.CutPrefix(id, taskPrefix); ok && p.tasks != nil {
		return p.tasks.Discard(ctx, task)
	}
	entry, err := p.find(id)
	if err != nil {
		return err
	}
	return p.target.Discard(ctx, entry.ID)
}

func (p *parking) find(id string) (journal.Parked, error) {
	notFound := errs.New(errs.NotFound, CodeParkedNotFound, "nothing is parked under this id, or not any more")
	event, ok := strings.CutPrefix(id, eventPrefix)
	if !ok {
		return journal.Parked{}, notFound
	}
	select {
	case <-p.target.Loaded():
	default:
		return journal.Parked{}, errs.New(errs.Unavailable, errs.CodeUnavailable, "the service is starting")
	}
	for _, e := range p.target.Parked() {
		if e.ID == event {
			return e, nil
		}
	}
	return journal.Parked{}, notFound
}

// retry reacts to a parked event anew and runs the part that concerns the shard where it is parked, in the
// commit that forgets the entry.
func (f *Follower) retry(ctx context.Context, p journal.Parked) error {
	at := journal.At{Shard: p.SourceShard, Seq: p.Seq, Time: p.At}
	routed, err := f.react(at, p.Event)
	if err != nil {
		return errs.New(errs.Conflict, "event_not_understood", "the event still cannot be understood by this build").Wrap(err)
	}
	var cmds []journal.Command
	for _, r := range routed {
		if f.deps.Target.ShardOf(r.AggregateID) != p.Shard {
			continue
		}
		cmd, err := f.ready(ctx, r)
		if err != nil {
			return err
		}
		cmds = append(cmds, cmd)
	}
	return f.deps.Target.Unpark(ctx, p.ID, cmds)
}
