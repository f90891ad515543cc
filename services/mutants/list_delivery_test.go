package mutants

const deliveryPkg = "kit/delivery"

// deliveryMutants break what two brokers are given and how it is counted.
var deliveryMutants = []mutant{
	{
		name: "segments-leave-a-growing-share", file: "kit/delivery/share.go", suite: deliveryPkg, run: "^TestASmallerShareIsPartOfALargerOne$",
		why:   "at 50 % the next broker no longer gets what it got at 10 %",
		edits: []edit{{"%wholePercent < uint64(max(percent, 0))", "%uint64(wholePercent+max(percent, 0)) < uint64(max(percent, 0))"}},
	},
	{
		name: "next-broker-stands-in-the-way", file: "kit/delivery/publisher.go", suite: deliveryPkg,
		run:   "^TestANextBrokerThatHangsOrFailsCostsThePresentOneNothing$",
		why:   "a new broker that hangs holds up the one that the shop stands on",
		edits: []edit{{"p.offer(queued{topic, event})", "_ = p.next.Publish(ctx, topic, event)"}},
	},
	{
		name: "repeats-are-news", file: "kit/delivery/track.go", suite: deliveryPkg, run: "^TestCountsAreThoseOfAPlainModel$",
		why:   "a broker that brings everything twice looks like one that does not",
		edits: []edit{{"if e.Came.has(o.Broker) {", "if e.Came.has(o.Broker) && o.Seq == 0 {"}},
	},
	{
		name: "late-is-still-missed", file: "kit/delivery/track.go", suite: deliveryPkg, run: "^TestCountsAreThoseOfAPlainModel$",
		why:   "what came late is told to be lost",
		edits: []edit{{"c.Missed--", "c.Missed += 0"}},
	},
	{
		name: "first-is-who-writes-first", file: "kit/delivery/track.go", suite: deliveryPkg, run: "^TestFirstIsByTheClocksOfThoseWhoWereThere$",
		why:   "the replica that records first makes its broker the faster one",
		edits: []edit{{"e.Came == 0 || in < e.FirstIn", "e.Came == 0"}},
	},
	{
		name: "lost-answer-counts-twice", file: "kit/delivery/tally.go", suite: deliveryPkg, run: "^TestReplicasCountTogetherOverABadStore$",
		why:   "a write whose answer was lost is added again: every segment in it looks doubled",
		edits: []edit{{"if b.Number <= w.Batch {", "if b.Number < w.Batch {"}},
	},
	{
		name: "old-broker-goes-too-soon", file: "kit/delivery/verdict.go", suite: deliveryPkg, run: "^TestVerdict$",
		why:   "the old broker is let go before a miss of the new one can have been seen",
		edits: []edit{{"quiet < rules.Quiet", "quiet < 0"}},
	},
	{
		name: "next-broker-is-not-heard", file: "host/events.go", suite: "host", run: "^TestTwoBrokersAtOnce$",
		why:   "what the new broker brings is acknowledged and thrown away",
		edits: []edit{{"!known || broker < 0", "!known || broker != 0"}},
	},
	{
		name: "nobody-elsewhere-is-told", file: "host/audience.go", suite: "host", run: "^TestPublishedIsWhatOthersFollow$",
		why:   "services in other processes hear of everything two seconds late",
		edits: []edit{{"asked.Store(&now)", "_, _ = asked, now"}},
	},
	{
		name: "a-release-tells-nobody", file: "host/audience.go", suite: "host", run: "^TestAReleasePublishesUnasked$",
		why:   "what a canary commits is heard of two seconds late, and it is judged by that",
		edits: []edit{{"if a.release {", "if false {"}},
	},
	{
		name: "those-in-the-process-count-as-elsewhere", file: "host/nearby.go", suite: "host", run: "^TestPublishedIsWhatOthersFollow$",
		why:   "everything is published for nobody, at an eighth of what an order costs",
		edits: []edit{{"!n.host.audience.elsewhere(n.service)", "len(n.host.topics) < 0"}},
	},
}
