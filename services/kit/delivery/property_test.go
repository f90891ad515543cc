package delivery

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// message is one delivery that a plan holds.
type message struct {
	seq    uint64
	broker int
	at     time.Duration // when it comes
	writer int           // the replica that it comes to
}

// plain counts what TestCountsAreThoseOfAPlainModel expects, by looking at everything at the end: no windows, no bounds.
type plain struct {
	messages []message // by time
	percent  int
	row      [brokers]uint64 // of counts, for a share of 100 %
}

// counts judges at end; what a number's neighbours tell of it is all that is known of one that nobody brought.
func (p *plain) counts(end time.Duration) (out [brokers]Counts) {
	type fate struct {
		known time.Duration
		came  [brokers][]time.Duration
		first int
	}
	from, high := p.messages[0].seq, p.messages[0].seq-1
	fates := map[uint64]*fate{}
	for _, m := range p.messages {
		out[m.broker].Delivered++
		for seq := high + 1; seq <= m.seq; seq++ {
			fates[seq] = &fate{known: m.at, first: -1}
		}
		high = max(high, m.seq)
		if m.seq < from {
			continue
		}
		f := fates[m.seq]
		if f.first < 0 {
			f.first = m.broker
		}
		f.came[m.broker] = append(f.came[m.broker], m.at)
	}
	for seq, f := range fates {
		judged := end-f.known >= grace
		for b := range brokers {
			c := &out[b]
			expected := b == Present || InShare(SegmentID("order", 0, seq), p.percent)
			if n := len(f.came[b]); n > 0 {
				c.Doubled += uint64(n - 1)
				if judged && f.came[b][0]-f.known >= grace {
					c.Late++
				}
			} else if expected && judged {
				c.Missed++
			}
		}
		firstCame := f.first >= 0 && f.came[f.first][0]-f.known < grace
		complete := len(f.came[Present]) > 0 && (len(f.came[Next]) > 0 || !InShare(SegmentID("order", 0, seq), p.percent))
		if firstCame && (judged || complete) {
			out[f.first].First++
		}
	}
	for b := range brokers { // what it brought in time after the last number that it missed
		last := uint64(0)
		inTime := func(f *fate) bool { return len(f.came[b]) > 0 && f.came[b][0]-f.known < grace }
		for seq, f := range fates {
			if end-f.known >= grace && !inTime(f) {
				last = max(last, seq)
			}
		}
		for seq, f := range fates {
			if seq > last && inTime(f) {
				p.row[b]++
			}
		}
	}
	return out
}

// Whatever two brokers lose, double, delay and reorder, and whichever replica it comes to, the counts are those of the model.
func TestCountsAreThoseOfAPlainModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		percent := rapid.SampledFrom([]int{0, 10, 50, 100}).Draw(t, "percent")
		replicas := rapid.IntRange(1, 3).Draw(t, "replicas")
		first := rapid.Uint64Range(1, 500).Draw(t, "first")
		n := rapid.IntRange(1, 60).Draw(t, "segments")
		var messages []message
		for i := range n {
			seq := first + uint64(i)
			for b := range brokers {
				if b == Next && !InShare(SegmentID("order", 0, seq), percent) {
					continue
				}
				for range rapid.SampledFrom([]int{1, 1, 1, 1, 0, 2}).Draw(t, "copies") {
					late := rapid.SampledFrom([]time.Duration{0, 0, 0, 1, 4, 40, 100}).Draw(t, "late") * time.Second
					jitter := time.Duration(rapid.IntRange(0, 999).Draw(t, "jitter")) * time.Millisecond
					messages = append(messages, message{
						seq: seq, broker: b, at: time.Duration(i)*time.Second + late + jitter, writer: rapid.IntRange(0, replicas-1).Draw(t, "replica"),
					})
				}
			}
		}
		if len(messages) == 0 {
			t.Skip("nothing came")
		}
		slices.SortStableFunc(messages, func(a, b message) int { return cmp.Compare(a.at, b.at) })
		end := messages[len(messages)-1].at + time.Duration(rapid.IntRange(0, 60).Draw(t, "end"))*time.Second

		tally := NewTally("order", "pubsub", "pubsub-next", epoch)
		numbers := map[int]uint64{}
		for _, m := range messages {
			tally.Settle(epoch.Add(m.at), grace)
			numbers[m.writer]++
			batch := Batch{Writer: string(rune('a' + m.writer)), Number: numbers[m.writer], Observations: []Observation{
				{Seq: m.seq, Broker: m.broker, At: epoch.Add(m.at), News: true, Shares: both(percent)},
			}}
			require.True(t, tally.Merge(batch, epoch.Add(m.at)))
			if rapid.IntRange(0, 9).Draw(t, "repeat") == 0 { // an answer was lost; and the record goes through the store
				value, err := tally.encode()
				require.NoError(t, err)
				tally, err = decodeTally(value)
				require.NoError(t, err)
				require.False(t, tally.Merge(batch, epoch.Add(m.at)))
			}
		}
		tally.Settle(epoch.Add(end), grace)
		model := &plain{messages: messages, percent: percent}
		want := model.counts(end)
		for b := range brokers {
			if percent == wholePercent {
				brought, _ := tally.Shards[0].row(b)
				require.Equal(t, model.row[b], brought, "broker %d: in a row", b)
			}
			got := tally.Shards[0].Counts[b]
			require.Equal(t, []uint64{want[b].Delivered, want[b].First, want[b].Doubled, want[b].Late, want[b].Missed},
				[]uint64{got.Delivered, got.First, got.Doubled, got.Late, got.Missed}, "broker %d: delivered, first, doubled, late, missed", b)
		}
	})
}

// The order in which replicas write what they saw within the time of grace changes nothing that is judged.
func TestReplicasMayWriteInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var seen [3][]Observation
		n := rapid.IntRange(1, 40).Draw(t, "segments")
		var lost [brokers]uint64
		for i := range n {
			for b := range brokers {
				if i > 0 && i < n-1 && rapid.IntRange(0, 5).Draw(t, "lost") == 0 {
					lost[b]++
					continue
				}
				r := rapid.IntRange(0, len(seen)-1).Draw(t, "replica")
				if i == 0 {
					r = 0 // counting begins with the lowest number that the first writer saw
				}
				seen[r] = append(seen[r], Observation{
					Seq: uint64(i + 1), Broker: b, At: epoch.Add(time.Duration(i) * time.Millisecond), News: true, Shares: both(100),
				})
			}
		}
		tally := NewTally("order", "pubsub", "pubsub-next", epoch)
		order := append([]int{0}, rapid.Permutation([]int{1, 2}).Draw(t, "order")...)
		for _, r := range order {
			tally.Merge(Batch{Writer: string(rune('a' + r)), Number: 1, Observations: seen[r]}, epoch.Add(time.Second))
		}
		tally.Settle(epoch.Add(grace+time.Second), grace)
		for b := range brokers {
			c := tally.Shards[0].Counts[b]
			require.Equal(t, []uint64{lost[b], 0}, []uint64{c.Missed, c.Doubled}, "broker %d: missed, doubled", b)
		}
	})
}
