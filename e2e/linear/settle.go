package linear

import (
	"math"

	"github.com/anishathalye/porcupine"
)

// settle gives a history that has an explanation exactly when ops has one, and that takes far less time to search: calls
// without an answer are what the search is exponential in.
//
//   - Once an answer proves that a reservation was made, it was made for good. From then on reserving it again changes
//     nothing, so a call for it without an answer need not stay open longer, and one that began later says nothing. The
//     same goes for confirming and releasing once an answer proves that it was resolved.
//   - Of several such calls that ask the same, at most one changes something, and the first can do whatever a later one can.
func settle(ops []porcupine.Operation) []porcupine.Operation {
	made, resolved := proofs(ops)
	first := map[Call]int{} // of the calls without an answer that ask for this → where it is in settled
	settled := make([]porcupine.Operation, 0, len(ops))
	for _, op := range ops {
		if !op.Output.(Answer).Unknown {
			settled = append(settled, op)
			continue
		}
		call := op.Input.(Call)
		until := made[call.ID]
		if call.Op != Reserve {
			until = resolved[call.ID]
		}
		if op.Call > until {
			continue
		}
		op.Return = min(op.Return, until)
		if i, ok := first[call]; ok {
			if op.Call < settled[i].Call {
				settled[i] = op
			}
			continue
		}
		first[call] = len(settled)
		settled = append(settled, op)
	}
	return settled
}

// proofs gives for each reservation when an answer first proved that it had been made, and that it had been resolved.
func proofs(ops []porcupine.Operation) (made, resolved [IDs]int64) {
	for id := range IDs {
		made[id], resolved[id] = math.MaxInt64, math.MaxInt64
	}
	for _, op := range ops {
		call, answer := op.Input.(Call), op.Output.(Answer)
		done := answer.Code == "" || answer.Code == AlreadyConfirmed || answer.Code == AlreadyReleased
		if answer.Unknown || call.Op == Get || !done {
			continue
		}
		made[call.ID] = min(made[call.ID], op.Return)
		if call.Op != Reserve {
			resolved[call.ID] = min(resolved[call.ID], op.Return)
		}
	}
	return made, resolved
}
