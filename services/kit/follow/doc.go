// Package follow applies what happened in another service's journal to one's own, exactly once and in the
// source's order, whatever the broker does.
//
// In: the source's segments, pushed as events (Follower.Deliver) or pulled from its journal over HTTP.
// Out: journal.Followed commands to the own journal, which move the offset in the same commit as the effect.
//
// A pushed segment is only a hint. One that was seen is dropped; one that is ahead of what is expected waits in a
// bounded window while the gap is pulled; a lost tail is found by looking at the source's heads. Progress is kept
// per own shard and source shard, by one worker each; the workers of a source shard share one window, so a
// segment is fetched and understood once and not once per own shard. Segments without a type that Config.React names
// are not read. What waits goes in together: one command may hold the steps of many segments, each with the number of
// its own in Step.Seq.
//
// When something fails:
//   - the source, the own journal or the sidecar is away: back-off up to a bound, for ever, one log line a minute;
//   - the effect of one event keeps failing: 1, 2, 4 … 32 s, then the event is parked with its reason in the own
//     journal and the worker moves on; an operator lists, retries or discards it (RegisterParked);
//   - an event cannot be decoded, or reacting to it panics: parked at once, since waiting changes nothing;
//   - an event of a type that is not known: passed over and counted (the source is newer than we are);
//   - the source has trimmed what we need (410): its snapshot is read if Config.Seed is given; otherwise the
//     follower goes on from where the source says, with an error in the log and a metric to alarm on.
package follow
