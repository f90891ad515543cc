package delivery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var epoch = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const grace = 30 * time.Second

func both(percent int) Shares {
	return Shares{{Broker: "pubsub", Percent: 100}, {Broker: "pubsub-next", Percent: percent}}
}

// scene is a tally and a clock.
type scene struct {
	*Tally
	now    time.Time
	shares Shares
	number uint64
}

func newScene() *scene {
	return &scene{Tally: NewTally("order", "pubsub", "pubsub-next", epoch), now: epoch, shares: both(100)}
}

// came lets a broker bring numbers of shard 0, each as news, a second apart.
func (s *scene) came(broker int, seqs ...uint64) {
	for _, seq := range seqs {
		s.now = s.now.Add(time.Second)
		s.number++
		s.Merge(Batch{Writer: "w", Number: s.number, Observations: []Observation{
			{Seq: seq, Broker: broker, At: s.now, News: true, Shares: s.shares},
		}}, s.now)
	}
}

func (s *scene) wait() {
	s.now = s.now.Add(grace)
	s.Settle(s.now, grace)
}

func (s *scene) of(broker int) Counts { return s.Shards[0].Counts[broker] }

func (s *scene) row(broker int) uint64 {
	brought, _ := s.Shards[0].row(broker)
	return brought
}

func TestEachBrokerIsComparedWithTheNumbers(t *testing.T) {
	s := newScene()
	s.came(Present, 10, 11, 12, 13)
	s.came(Next, 10, 11, 13)
	s.wait()
	assert.Zero(t, s.of(Present).Missed)
	assert.EqualValues(t, 4, s.of(Present).First)
	assert.EqualValues(t, 1, s.of(Next).Missed)
	assert.EqualValues(t, 12, s.of(Next).LastMissed)
	assert.EqualValues(t, 1, s.row(Next), "13, after the miss")
	assert.Equal(t, epoch.Add(3*time.Second), s.of(Next).RowSince, "since when 12 was known")
	s.came(Next, 13, 12, 12)
	next := s.of(Next)
	assert.EqualValues(t, []uint64{6, 0, 1, 2}, []uint64{next.Delivered, next.Missed, next.Late, next.Doubled})
	assert.NotZero(t, next.LastMissedAt, "late is not in time")
}

func TestWhatNobodyBringsIsMissedByThoseWhoWereGivenIt(t *testing.T) {
	s := newScene()
	s.came(Present, 1)
	s.came(Next, 1, 4)
	s.wait()
	assert.EqualValues(t, 3, s.of(Present).Missed, "2, 3 and 4")
	assert.EqualValues(t, 2, s.of(Next).Missed, "2 and 3: a later number was seen")
}

func TestOnlyWhatABrokerIsGivenIsExpectedOfIt(t *testing.T) {
	s := newScene()
	s.shares = both(10)
	for seq := uint64(1); seq <= 100; seq++ {
		s.came(Present, seq)
		if InShare(SegmentID("order", 0, seq), 10) && seq != 99 {
			s.came(Next, seq)
		}
	}
	s.wait()
	assert.Zero(t, s.of(Next).Missed)
	assert.Zero(t, s.row(Next), "a row is made of full shares")
	assert.Equal(t, 10, s.of(Next).Share)
	assert.NotZero(t, s.of(Next).Delivered)
	s.shares = both(100)
	s.came(Present, 101, 102)
	s.came(Next, 101, 102)
	assert.EqualValues(t, 2, s.row(Next))
}

func TestOfANumberBetweenTwoSharesTheSmallerIsBelieved(t *testing.T) {
	s := newScene()
	s.shares = both(0)
	s.came(Present, 1)
	s.shares = both(100)
	s.came(Present, 3)
	s.came(Next, 3)
	s.wait()
	assert.Zero(t, s.of(Next).Missed)
	s.came(Next, 2)
	assert.Zero(t, s.of(Next).Doubled, "it may have been given it")
}

func TestFirstIsByTheClocksOfThoseWhoWereThere(t *testing.T) {
	s := newScene()
	s.Merge(Batch{Writer: "a", Number: 1, Observations: []Observation{
		{Seq: 1, Broker: Present, At: epoch.Add(2000), News: true, Shares: s.shares}, {Seq: 2, Broker: Present, At: epoch.Add(3000), Shares: s.shares},
	}}, epoch)
	s.Merge(Batch{Writer: "b", Number: 1, Observations: []Observation{
		{Seq: 1, Broker: Next, At: epoch.Add(1000), News: true, Shares: s.shares}, {Seq: 2, Broker: Next, At: epoch.Add(4000), News: true, Shares: s.shares},
	}}, epoch)
	assert.EqualValues(t, 1, s.of(Next).First)
	assert.Zero(t, s.of(Present).First, "2 had been pulled before it came")
}

func TestABatchIsInOnce(t *testing.T) {
	s := newScene()
	b := Batch{Writer: "w", Number: 1, Observations: []Observation{{Seq: 1, At: epoch, Shares: s.shares}}}
	assert.True(t, s.Merge(b, epoch))
	assert.False(t, s.Merge(b, epoch))
	assert.EqualValues(t, 1, s.of(Present).Delivered)
	for i := range 2 * maxWriters {
		s.Merge(Batch{Writer: strings.Repeat("x", i+1), Number: 1}, epoch.Add(time.Duration(i)))
	}
	assert.Len(t, s.Writers, maxWriters)
	s.Merge(Batch{Writer: "later", Number: 1}, epoch.Add(time.Hour))
	assert.Len(t, s.Writers, 1)
}

func TestAJumpOrALossBeginsAnewAndJudgesNothing(t *testing.T) {
	s := newScene()
	s.came(Present, 1, 3, 3+2*maxGap)
	s.came(Next, 3+2*maxGap)
	s.wait()
	assert.Zero(t, s.of(Next).Missed)
	assert.EqualValues(t, 3+2*maxGap, s.Shards[0].From)
	s.came(Present, 4+2*maxGap)
	s.number++
	s.Merge(Batch{Writer: "w", Number: s.number, Lost: true}, s.now)
	s.came(Present, 2, 4+2*maxGap) // old news
	s.came(Next, 9+2*maxGap)
	s.came(Present, 9+2*maxGap)
	s.wait()
	assert.Zero(t, s.of(Present).Missed)
	assert.Zero(t, s.of(Next).Missed)
	assert.EqualValues(t, 1, s.row(Next))
}

// A next broker that is dead while the shop sells must not make the record grow without end, whatever the number of shards.
func TestTheRecordFitsIntoTheStoreHoweverBadABrokerIs(t *testing.T) {
	const base = 10_000_000 // long numbers, as after years
	for _, shards := range []int{manyShards, 256} {
		tally := NewTally("inventory", "pubsub", "pubsub-next", epoch)
		at := epoch
		for n := range maxWriters + 4 {
			var batch []Observation
			for seq := uint64(base + 9*n); seq < uint64(base+9*n+9); seq += 3 { // with gaps, so that ranges of missed numbers do not join
				at = at.Add(time.Microsecond)
				for shard := range shards {
					batch = append(batch, Observation{Shard: shard, Seq: seq, Broker: n % 5 / 4, At: at, News: true, Shares: both(100)})
				}
			}
			writer := fmt.Sprintf("0197a000-0000-7000-8000-%012d", n)
			tally.Merge(Batch{Writer: writer, Number: 1, Observations: batch}, at)
		}
		for _, tr := range tally.Shards {
			for b := range tr.Counts {
				c := &tr.Counts[b]
				c.Delivered, c.First, c.Doubled, c.Late = base+c.Delivered, base+c.First, base+c.Doubled, base+c.Late
			}
		}
		value, err := tally.encode()
		require.NoError(t, err)
		assert.LessOrEqual(t, tally.open(), maxOpen)
		tally.Settle(at.Add(grace), grace)
		settled, err := tally.encode()
		require.NoError(t, err)
		t.Logf("%d shards: %d bytes, %d bytes settled", shards, len(value), len(settled))
		back, err := decodeTally(settled)
		require.NoError(t, err)
		assert.Equal(t, tally.Lines(), back.Lines())
		require.Error(t, back.fits("inventory", "pubsub", "another"))
		require.NoError(t, back.fits("inventory", "pubsub", "pubsub-next"))
	}
}

// Whatever stands under the record's key, counting goes on or begins anew, and never ends the process.
func TestWhatIsNoRecordIsRefused(t *testing.T) {
	for _, bad := range []string{
		``, `[]`, `{}`, `{"writers":{},"shards":{"x":{}}}`, `{"writers":{"a":null},"shards":{}}`, `{"writers":{},"shards":{"0":null}}`,
		`{"writers":{},"shards":{"0":{"from":1,"high":2,"open":[null]}}}`, `{"writers":{},"shards":{"0":{"from":1,"high":2,"open":[{"n":3}]}}}`,
		`{"writers":{},"shards":{"0":{"from":1,"high":2,"open":[{"n":2},{"n":1}]}}}`, `{"writers":{},"shards":{"0":{"from":2,"high":2,"open":[{"n":1}]}}}`,
		`{"writers":{},"shards":{"0":{"from":1,"high":2,"open":[{"n":1,"f":2}]}}}`, `{"writers":{},"shards":{"0":{"high":2,"open":[{"n":1}]}}}`,
	} {
		_, err := decodeTally([]byte(bad))
		assert.ErrorIs(t, err, errNoRecord, bad)
	}
	_, err := decodeTally([]byte(`{"writers":{},"shards":{"0":{"from":1,"high":2,"open":[{"n":1},{"n":2,"f":1}]}}}`))
	require.NoError(t, err)
}

func TestSharesAndIds(t *testing.T) {
	s := both(10)
	assert.Equal(t, "pubsub=100,pubsub-next=10", s.String())
	back, err := ParseShares(s.String())
	require.NoError(t, err)
	assert.Equal(t, s, back)
	none, err := ParseShares("")
	require.NoError(t, err)
	assert.Nil(t, none)
	for _, bad := range []string{"pubsub", "pubsub=101", "pubsub=-1", "=1", "A=1", "a=1,", "a=1,b=1,c=1,d=1,e=1", strings.Repeat("a", 600) + "=1"} {
		_, err := ParseShares(bad)
		assert.Error(t, err, bad)
	}
	source, shard, seq, err := parseSegmentID("order/1/12")
	require.NoError(t, err)
	assert.Equal(t, []any{"order", 1, uint64(12)}, []any{source, shard, seq})
	for _, bad := range []string{"", "order", "order/1", "order/1/0", "order/01/1", "order/-1/1", "/1/1", "order/1/1/1", "order/99999/1"} {
		_, _, _, err := parseSegmentID(bad)
		assert.Error(t, err, bad)
	}
}

func TestASmallerShareIsPartOfALargerOne(t *testing.T) {
	const n = 20_000
	in := map[int]int{}
	for seq := uint64(1); seq <= n; seq++ {
		id := SegmentID("order", int(seq%2), seq)
		was := false
		for _, percent := range []int{0, 1, 10, 50, 99, 100} {
			is := InShare(id, percent)
			assert.False(t, was && !is, "%s left the share when it grew to %d", id, percent)
			if was = is; is {
				in[percent]++
			}
		}
	}
	assert.Zero(t, in[0])
	assert.Equal(t, n, in[100])
	assert.InDelta(t, n/10, in[10], n/100)
	assert.InDelta(t, n/2, in[50], n/50)
	// The function is written down and must not change, or versions would disagree: printf order/0/3 | sha256sum.
	const place = 0xd347bc9f143ab997 % 100
	assert.True(t, InShare("order/0/3", place+1))
	assert.False(t, InShare("order/0/3", place))
}
