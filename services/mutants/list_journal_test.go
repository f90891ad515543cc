package mutants

const (
	commitGo   = "kit/journal/commit.go"
	trimGo     = "kit/journal/trim.go"
	journalPkg = "kit/journal"
)

// journalMutants break what makes a commit one.
var journalMutants = []mutant{
	{
		name: "conflict-is-a-win", file: commitGo, suite: journalPkg, run: "^TestSale$",
		why: "a writer whose number is taken acknowledges what is nowhere",
		edits: []edit{{
			"if err == nil {\n\t\t\treturn won, nil\n\t\t}\n\t\tif !errors.Is(err, sidecar.ErrConflict) {",
			"if err == nil || errors.Is(err, sidecar.ErrConflict) {\n\t\t\treturn won, nil\n\t\t}\n\t\tif !errors.Is(err, sidecar.ErrConflict) {",
		}},
	},
	{
		name: "acknowledged-before-commit", file: commitGo, suite: journalPkg, run: "^TestSale$",
		why: "an order that was answered is lost when the process dies before the write",
		edits: []edit{{
			"v, err := s.create(ctx, segment, encoded)",
			"go func() { _, _ = s.create(context.WithoutCancel(ctx), segment, encoded) }()\n\tv := won",
		}},
	},
	{
		name: "any-error-is-a-win", file: commitGo, suite: journalPkg, run: "^TestSale$",
		why: "without reading back, a write that failed is acknowledged",
		edits: []edit{{
			"if err == nil {\n\t\t\treturn won, nil\n\t\t}\n\t\tif !errors",
			"if err == nil || ctx.Err() == nil {\n\t\t\treturn won, nil\n\t\t}\n\t\tif !errors",
		}},
	},
	{
		name: "any-error-is-a-loss", file: commitGo, suite: journalPkg, run: "^(TestStoreDownAndUp|TestFenceAfterUnknownOutcome)$",
		why: "without reading back, a caller is told that nothing was changed by a write that may yet land",
		edits: []edit{{
			"if !errors.Is(err, sidecar.ErrConflict) {",
			"if !errors.Is(err, sidecar.ErrConflict) {\n\t\t\treturn untried, err\n\t\t}\n\t\tif !errors.Is(err, sidecar.ErrConflict) {",
		}},
	},
	{
		name: "no-fence", file: commitGo, suite: journalPkg, run: "^TestFenceAfterUnknownOutcome$",
		why:   "a buyer is refused, and then a late write of an earlier command lands behind the refusal",
		edits: []edit{{"s.unsettled = true", "s.unsettled = false"}},
	},
	{
		name: "refused-without-looking", file: commitGo, suite: journalPkg, run: "^TestRefusalLooksAtTheHeadFirst$",
		why:   "a replica calls sold out what another one has just given back",
		edits: []edit{{"moved, err := s.look(ctx)", "moved, err := false, error(nil)"}},
	},
	{
		name: "refused-from-uncommitted-state", file: commitGo, suite: journalPkg, run: "^TestARefusalWaitsForTheBatchThatItIsBasedOn$",
		why: "a buyer is told sold out because of a sale in the same batch that was never committed",
		edits: []edit{{
			"default:\n\t\t\ts.carried = rest\n\t\t\treturn s.refuse(decided, v, err)",
			"default:\n\t\t\ts.carried = rest\n\t\t\tvar open []*request\n\t\t\tfor i, r := range decided {\n\t\t\t\tif t.answers[i].err != nil {\n" +
				"\t\t\t\t\tr.answer(t.answers[i])\n\t\t\t\t} else {\n\t\t\t\t\topen = append(open, r)\n\t\t\t\t}\n\t\t\t}\n\t\t\treturn s.refuse(open, v, err)",
		}},
	},
	{
		name: "time-goes-back", file: commitGo, suite: journalPkg, run: "^TestSegmentsTimeNeverGoesBack$",
		why:   "with two clocks, what has expired is not expired any more",
		edits: []edit{{"if now.Before(head.at) {", "if now.IsZero() {"}},
	},
	{
		name: "zombie-believes-its-write", file: commitGo, suite: journalPkg, run: "^TestZombieWriteIsNoCommit$",
		why:   "a process that was paused writes into a trimmed number and acknowledges it",
		edits: []edit{{"v, err = s.confirm(ctx, segment.Seq)", "err = nil"}},
	},
	{
		name: "sleeper-believes-the-hole", file: "kit/journal/head.go", suite: journalPkg, run: "^TestSleeperDoesNotWriteIntoTheHole$",
		why:   "a process that slept takes a trimmed number for the end of the journal",
		edits: []edit{{"if err := s.believe(ctx, next); err != nil {", "if err := s.believe(ctx, next); err != nil && isFatal(err) {"}},
	},
	{
		name: "older-snapshot-wins", file: "kit/journal/snapshot.go", suite: journalPkg, run: "^TestASnapshotIsNeverReplacedByAnOlderOne$",
		why: "a replica that is behind takes the snapshot back to before what was trimmed",
		edits: []edit{
			{"case h.Seq >= v.seq:", "case h.Seq == v.seq:"},
			{"if h.Seq >= seq || busy ||", "if h.Seq == seq || busy ||"},
			{"if h.Seq >= v.seq {", "if h.Seq == v.seq {"},
		},
	},
	{
		name: "trim-beyond-the-snapshot", file: trimGo, suite: journalPkg, run: "^TestTrimWaitsForTheSnapshot$",
		why:   "segments that no snapshot holds are deleted",
		edits: []edit{{"min(h.Seq, s.passedByAll(), s.settledThrough())", "min(s.passedByAll(), s.settledThrough())"}},
	},
	{
		name: "trim-before-followers", file: trimGo, suite: journalPkg, run: "^TestTrimWaitsForFollowers$",
		why:   "a follower that was away for a day misses what happened",
		edits: []edit{{"min(h.Seq, s.passedByAll(), s.settledThrough())", "min(h.Seq, s.settledThrough())"}},
	},
	{
		name: "trim-before-unheard-followers", file: "kit/journal/followers.go", suite: journalPkg, run: "^TestTrimWaitsForFollowers$",
		why: "after a restart nobody has acknowledged yet, and everything is trimmed",
		edits: []edit{{
			"passed = min(passed, s.acks.through[name])",
			"if seq, heard := s.acks.through[name]; heard {\n\t\t\tpassed = min(passed, seq)\n\t\t}",
		}},
	},
	{
		name: "trim-at-once", file: trimGo, suite: journalPkg, run: "^TestLateWriteWithOldTimeIsNotTrimmedAtOnce$",
		why:   "a late write with an old time is trimmed while others still take its number for free",
		edits: []edit{{"min(h.Seq, s.passedByAll(), s.settledThrough())", "min(h.Seq, s.passedByAll())"}},
	},
	{
		name: "delete-before-intent", file: trimGo, suite: journalPkg, run: "^TestLongSale$",
		why: "segments are deleted before the header says so, and who reads it believes the hole",
		edits: []edit{{
			"h, err = s.changeHeader(ctx, func(h *Header) bool {\n\t\tif h.TrimmedThrough >= target {",
			"if err := s.deleteSegments(ctx, h.TrimmedThrough+1, target); err != nil {\n\t\treturn err\n\t}\n" +
				"\th, err = s.changeHeader(ctx, func(h *Header) bool {\n\t\tif h.TrimmedThrough >= target {",
		}},
	},
	{
		name: "packed-segment-hides-a-type", file: "kit/journal/document.go", suite: journalPkg, run: "^TestDocumentsKeepTheirSegments$",
		why:   "followers pass over a segment that has something for them",
		edits: []edit{{"if !seen[r.Type] {", "if len(types) == 0 {"}},
	},
	{
		name: "duplicate-is-applied", file: "kit/journal/commands.go", suite: journalPkg, run: "^TestFollowedIsOnceAndAllOrNothing$",
		why:   "a message that a broker delivers twice has its effect twice",
		edits: []edit{{"if c.Seq <= was.Seq || c.Through > 0", "if c.Through > 0"}},
	},
	{
		name: "offset-without-effect", file: "kit/journal/trial.go", suite: journalPkg, run: "^TestFollowedIsOnceAndAllOrNothing$",
		why:   "the offset moves although the effect was refused: the event is lost",
		edits: []edit{{"return &StepError{step.index, err}", "continue"}},
	},
	{
		name: "taken-command-is-called-unchanged", file: "kit/journal/request.go", suite: journalPkg,
		run:   "^TestQueueIsBounded$",
		why:   "a caller who gives up while its command is being committed is told that nothing was changed",
		edits: []edit{{"return outcome{err: errs.OutcomeUnknown(cause)}", "if cause != nil {\n\t\treturn outcome{err: unavailable(cause)}\n\t}\n\treturn outcome{err: errs.OutcomeUnknown(cause)}"}},
	},
	{
		name: "loser-keeps-its-decision", file: commitGo, suite: journalPkg, run: "^TestSale$",
		why:   "a batch that lost its number is written under the next one without being decided again",
		edits: []edit{{"case lost:\n\t\t_, err = s.look(ctx)", "case lost:\n\t\tif _, err = s.look(ctx); err == nil {\n\t\t\treturn won, nil\n\t\t}"}},
	},
	{
		name: "follower-reads-the-hole", file: "kit/journal/pull.go", suite: journalPkg, run: "^TestJunkInTheHoleIsNotRead$",
		why:   "a follower is given what a zombie left in a trimmed number",
		edits: []edit{{"if h.TrimmedThrough > after {", "if h.TrimmedThrough > after && len(found) == 0 {"}},
	},
	{
		name: "retried-without-effect", file: "kit/journal/commands.go", suite: journalPkg, run: "^TestFollowedIsOnceAndAllOrNothing$",
		why:   "an operator's retry of a parked event forgets it without its effect",
		edits: []edit{{"for i, cmd := range c.cmds {", "for i, cmd := range c.cmds[:0] {"}},
	},
	{
		name: "trim-the-young", file: trimGo, suite: journalPkg, run: "^TestTrimWaitsForTheWindow$",
		why:   "segments are deleted within the idempotency window",
		edits: []edit{{"Now().Add(-s.journal.cfg.TrimAfter)", "Now()"}},
	},
	{
		name: "follower-only-in-memory", file: "kit/journal/followers.go", suite: journalPkg, run: "^TestTrimWaitsForFollowers$",
		why:   "a restart forgets who follows, and everything is trimmed",
		edits: []edit{{"; !known {\n\t\tif _, err := j.DoShard", "; !known && j == nil {\n\t\tif _, err := j.DoShard"}},
	},
}
