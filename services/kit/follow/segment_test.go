package follow

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// An event may mean several commands, as a paid order does whose lines are in several shards: each shard gets all of its own, and
// no other's, in the order in which they were meant.
func TestTheCommandsOfAnEventReachTheirShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(2)
		ids := [2]string{}
		for i := 0; ids[0] == "" || ids[1] == ""; i++ {
			id := fmt.Sprint("sku-", i)
			ids[target.ShardOf(id)] = id
		}
		defer start(follower(t, s, target, func(c *Config) {
			c.React = React(On(func(_ journal.At, h happened) []Routed {
				var routed []Routed
				for line, shard := range [...]int{0, 1, 0, 0, 1, 1} {
					routed = append(routed, Routed{AggregateID: ids[shard], Cmd: noted{happened{ids[shard], 10*h.N + line}}})
				}
				return routed
			}))
		}))()
		s.commit(0, happened{"order", 1}, happened{"order", 2})
		elapse(time.Second)
		assert.Equal(t, []int{10, 12, 13, 20, 22, 23}, target.all(0, 0))
		assert.Equal(t, []int{11, 14, 15, 21, 24, 25}, target.all(1, 0))
	})
}
