package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestVerdict(t *testing.T) {
	rules := Rules{Quiet: 10 * time.Minute, Segments: 100}
	now := epoch.Add(time.Hour)
	since := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	line := func(change func(*Line)) []Line {
		l := Line{Source: "order", Broker: "pubsub-next", Share: 100, InARow: 100, InARowSince: since(10 * time.Minute)}
		if change != nil {
			change(&l)
		}
		return []Line{{Source: "order", Broker: "pubsub", Missed: 3}, l}
	}
	good := Answer{Status{Service: "notify", Present: "pubsub", Next: "pubsub-next", Percent: 100, Lines: line(nil)}, true}
	for name, tc := range map[string]struct {
		change func(*Answer)
		want   string
	}{
		"it can go":      {func(*Answer) {}, ""},
		"away":           {func(a *Answer) { *a = Answer{Status: Status{Service: "order"}} }, "order does not answer"},
		"one broker":     {func(a *Answer) { a.Next = "" }, "notify knows no next broker: set SIDECART_PUBSUB_NEXT"},
		"another broker": {func(a *Answer) { a.Next = "x" }, "notify moves from pubsub to x, and notify from pubsub to pubsub-next: give all the same"},
		"a share only":   {func(a *Answer) { a.Percent = 50 }, "notify publishes 50 % on pubsub-next: set SIDECART_PUBSUB_NEXT_PERCENT=100"},
		"too few":        {func(a *Answer) { a.Lines = line(func(l *Line) { l.InARow = 99 }) }, "notify ← order: pubsub-next has brought 99 segments in a row since it is given everything, 100 are asked for"},
		"too short":      {func(a *Answer) { a.Lines = line(func(l *Line) { l.InARowSince = since(9 * time.Minute) }) }, "notify ← order: pubsub-next has everything for 9m0s, 10m0s are asked for"},
		"a silent shard": {func(a *Answer) { a.Lines = line(func(l *Line) { l.Broken = []int{1} }) }, "notify ← order: of shard 1, pubsub-next has brought nothing since it was given everything or missed something"},
		"silent shards": {func(a *Answer) {
			a.Lines = line(func(l *Line) { l.InARow, l.InARowSince, l.Broken = 0, nil, []int{0, 1} })
		}, "notify ← order: of shard 0, 1, pubsub-next has brought nothing since it was given everything or missed something"},
		"nothing out":     {func(a *Answer) { a.Publishing = Publishing{Failed: 2, Dropped: 1} }, "notify has got nothing out on pubsub-next, its log says why: 2 segments failed, 1 were dropped"},
		"nothing counted": {func(a *Answer) { a.Lines = line(func(l *Line) { l.InARow, l.InARowSince = 0, nil }) }, "notify ← order: pubsub-next has brought 0 segments in a row since it is given everything, 100 are asked for"},
	} {
		t.Run(name, func(t *testing.T) {
			other := good
			tc.change(&other)
			v := Judge([]Answer{good, other}, rules, now)
			if tc.want == "" {
				assert.Equal(t, Verdict{CanGo: true, Missing: []string{}}, v)
				return
			}
			assert.Equal(t, Verdict{Missing: []string{tc.want}}, v)
		})
	}
	assert.False(t, Judge(nil, rules, now).CanGo, "who asked nobody knows nothing")
}
