// Package delivery moves a shop from one broker to another while it sells, and counts what each broker delivers, so that
// somebody can tell when the old one can go.
//
// Out: a Publisher gives every segment to the present broker and a share of them (0 to 100 %) to the next one, behind a queue of
// its own. Which segments are in the share follows from the event's id alone, and each event says on itself what share each broker
// is given (Shares), so that a follower knows what to expect of whom whatever it is configured to itself.
//
// In: a Counter of a following service is told of every delivery and keeps, by source, shard and broker, how many came, which came
// first, twice, late, or not at all (Tally). Numbers have no gaps, so whoever has seen segment 12 knows that 1 to 11 exist, however
// they were lost.
//
// The replicas of a service share a broker's messages, so none of them alone can say that one is missing. They therefore count
// together in a record of the state store, {service}/delivered/{source}, which each replaces by ETag with what it has seen since the
// last time. A batch carries its writer and number: a write whose answer was lost is not counted twice.
//
// When something fails: a next broker that is away or slow costs its own queue (counted, followers still have the present
// broker and the journal); a store that is away makes a Counter keep what it saw, up to a bound, and then begin anew; a process
// that is killed takes with it what it saw since its last write, which then looks missed. Every failure errs on the side
// of keeping the old broker. Nothing here decides what is applied: that is package follow's.
package delivery
