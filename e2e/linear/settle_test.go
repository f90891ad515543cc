package linear

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// someHistory is what clients of a counter see that now and then does not do what it says, or does not answer.
func someHistory(rng *rand.Rand, calls int, defects bool) []porcupine.Operation {
	var c counter
	var ops []porcupine.Operation
	for i := range calls {
		call := Call{SKU: "sku", Op: Op(rng.IntN(4)), ID: rng.IntN(4)}
		next, answer := c.step(units, call)
		at := int64(10 * i)
		op := porcupine.Operation{ClientId: i, Input: call, Output: answer, Call: at - rng.Int64N(40), Return: at + rng.Int64N(40)}
		switch {
		case call.Op != Get && rng.IntN(4) == 0: // no answer, and perhaps no effect
			op.Output, op.Return = Answer{Unknown: true}, math.MaxInt64
			if rng.IntN(2) == 0 {
				next = c
			}
		case defects && rng.IntN(8) == 0: // an answer without the effect
			next = c
		}
		c = next
		ops = append(ops, op)
	}
	rng.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	return ops
}

func TestSettledHistoriesGetTheSameVerdict(t *testing.T) {
	verdicts := map[bool]int{}
	for seed := range uint64(3000) {
		ops := someHistory(rand.New(rand.NewPCG(seed, 0)), 14, true)
		want := porcupine.CheckOperations(model(units), ops)
		verdicts[want]++
		require.Equal(t, want, porcupine.CheckOperations(model(units), settle(ops)), "seed %d", seed)
	}
	assert.Greater(t, min(verdicts[true], verdicts[false]), 300, "%v", verdicts)
}

func TestManyUnansweredCallsAreDecided(t *testing.T) {
	for seed := range uint64(50) {
		h := NewHistory(units)
		h.bySKU["sku"] = someHistory(rand.New(rand.NewPCG(seed, 1)), 160, false)
		require.NoError(t, h.Check(t.TempDir()), "seed %d", seed)
	}
}
