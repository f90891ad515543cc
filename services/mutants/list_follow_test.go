package mutants

const followPkg = "kit/follow"

// followMutants break what makes following exact.
var followMutants = []mutant{
	{
		name: "no-pull-repair", file: "kit/follow/pull.go", suite: followPkg, run: "^TestReorderedPushIsWaitedForAndThenPulled$",
		why:   "a message that a broker loses is never asked for",
		edits: []edit{{"if !ok {", "if !ok || seq > 0 {"}},
	},
	{
		name: "lost-tail-is-not-looked-for", file: "kit/follow/follow.go", suite: followPkg,
		run:   "^TestLevelAtIsTheBeginningOfALookThatWasReached$",
		why:   "the last message before a silence is lost, and no later one shows the gap",
		edits: []edit{{"fd.observe(heads[shard])", "_ = fd"}},
	},
	{
		name: "offset-before-effect", file: "kit/follow/worker.go", suite: followPkg, run: "^TestOverRealJournalsEveryEffectOnceAndInOrder$",
		why: "a death between the two commits loses the effect",
		edits: []edit{{
			"_, err = w.f.deps.Target.DoShard(ctx, w.own, cmd)",
			"bare := cmd\n\t\t\tbare.Steps, bare.Park = nil, nil\n\t\t\t_, err = w.f.deps.Target.DoShard(ctx, w.own, bare)\n" +
				"\t\t\tfor i := 0; err == nil && i < len(cmd.Steps); i++ {\n\t\t\t\t_, err = w.f.deps.Target.DoShard(ctx, w.own, cmd.Steps[i].Cmd)\n\t\t\t}",
		}},
	},
	{
		name: "effect-before-offset", file: "kit/follow/worker.go", suite: followPkg, run: "^TestOverRealJournalsEveryEffectOnceAndInOrder$",
		why: "a death between the two commits makes the effect twice",
		edits: []edit{{
			"_, err = w.f.deps.Target.DoShard(ctx, w.own, cmd)",
			"for i := 0; err == nil && i < len(cmd.Steps); i++ {\n\t\t\t\t_, err = w.f.deps.Target.DoShard(ctx, w.own, cmd.Steps[i].Cmd)\n\t\t\t}\n" +
				"\t\t\tif err == nil {\n\t\t\t\tbare := cmd\n\t\t\t\tbare.Steps, bare.Park = nil, nil\n" +
				"\t\t\t\t_, err = w.f.deps.Target.DoShard(ctx, w.own, bare)\n\t\t\t}",
		}},
	},
	{
		name: "segment-is-applied-again-with-later-ones", file: "kit/journal/commands.go", suite: followPkg, run: "^TestOverRealJournalsEveryEffectOnceAndInOrder$",
		why:   "a replica that commits several segments at once repeats those that another replica has applied meanwhile",
		edits: []edit{{"if seq <= was.Seq || seq == was.Seq+1", "if seq == was.Seq+1"}},
	},
	{
		name: "level-before-reached", file: "kit/follow/level.go", suite: followPkg, run: "^TestLevelAtIsTheBeginningOfALookThatWasReached$",
		why:   "timers act on a time up to which events are known and not applied",
		edits: []edit{{"if r.feeds[shard].low() < head {", "if r.feeds[shard].headNow() < head {"}},
	},
	{
		name: "acknowledged-before-durable", file: "kit/follow/follow.go", suite: followPkg, run: "^TestPassingOverIsCheckpointedRarely$",
		why:   "a source trims what a restart of the follower needs again",
		edits: []edit{{"durable := f.durable(shard)", "durable := fd.low()"}},
	},
	{
		name: "unavailable-step-is-parked", file: "kit/follow/worker.go", suite: followPkg, run: "^TestAnUnavailableStepIsNeverParked$",
		why:   "events that could not be decided for a minute wait for an operator",
		edits: []edit{{"errs.From(step.Err).Kind == errs.Unavailable:", "errs.From(step.Err).Kind == errs.TooMany:"}},
	},
	{
		name: "cut-off-snapshot-is-whole", file: "kit/follow/seed.go", suite: followPkg, run: "^TestACutOffSnapshotIsReadAgain$",
		why: "a follower that begins from a snapshot whose stream broke off misses the rest for ever",
		edits: []edit{{
			"return 0, fmt.Errorf(\"snapshot of %s: after record %d: %w\", w.f.cfg.Source, n, err)", "return head.Seq, nil",
		}},
	},
}
