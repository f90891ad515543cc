package mutants

// copyMutants break what lets a shop be moved to another store.
var copyMutants = []mutant{
	{
		name: "sells-after-moved", file: "kit/journal/trial.go", suite: "kit/journal", run: "^TestNothingIsCommittedAfterMoved$",
		why:   "a shop that was moved sells from both stores",
		edits: []edit{{"if t.view.system.moved != nil {", "if t.view.system.moved != nil && t.maxBytes < 0 {"}},
	},
	{
		name: "any-journal-is-believed", file: "kit/follow/source.go", suite: "kit/follow",
		run: "^(TestPushesOfAnotherJournalAreNotBelieved|TestAReplacedSourceIsNoticed)$",
		why: "after a store was wiped, followers take new numbers for old ones and what the broker kept for news",
		edits: []edit{{
			"if known == \"\" || came == \"\" || known == came {", "if known == \"\" || came == \"\" || known != \"-\" {",
		}},
	},
	{
		name: "trimmed-before-catalogued", file: trimGo, suite: "kit/archive", run: "^TestCatalogueSurvivesDeathAtEveryWrite$",
		why:   "archived orders whose events are trimmed cannot be found any more, and stay behind in a move",
		edits: []edit{{"show != nil && target > h.TrimmedThrough", "show != nil && target < h.TrimmedThrough"}},
	},
	{
		name: "page-of-another-is-ours", file: "kit/archive/catalogue.go", suite: "kit/archive", run: "^TestAPageOfAnotherIsNotOurs$",
		why:   "two replicas that trim at the same time lose what one of them recorded",
		edits: []edit{{"\treturn errPageTaken\n", "\treturn nil\n"}},
	},
	{
		name: "target-is-not-compared", file: "datacopy/store.go", suite: "datacopy", run: "^TestDifferencesAreFound$",
		why:   "a target that holds something else is taken for a copy",
		edits: []edit{{"case !jsondoc.Same(items[i].Value, d.value):", "case !jsondoc.Same(items[i].Value, d.value) && d.value == nil:"}},
	},
	{
		name: "switched-although-undone", file: "datacopy/run.go", suite: "datacopy", run: "^TestAnUndoneCopyDoesNotSwitch$",
		why:   "the source sells again and the target too",
		edits: []edit{{"case now.Phase == phaseUndone:\n\t\t\treturn nil, &finalError{ErrUndone}\n\t\tcase now.Phase == phaseSwitched:", "case now.Phase == phaseSwitched:"}},
	},
	{
		name: "sleeper-writes-lists", file: "datacopy/archived.go", suite: "datacopy", run: "^TestASleepingCopierIsHarmless$",
		why:   "a copier that wakes when the shop sells from the target takes a customer's list back to what it was",
		edits: []edit{{"if err := s.stillCopying(ctx, s.record); err != nil {", "if err := s.stillCopying(ctx, s.record); err != nil && ctx.Err() != nil {"}},
	},
	{
		name: "catalogued-orders-stay-behind", file: "datacopy/archived.go", suite: "datacopy", run: "^TestACopyIsTakenUpAfterDeathAtEveryWrite$",
		why:   "orders that were archived more than a day ago are not in the new store",
		edits: []edit{{"if err := s.copyArchived(ctx, page.IDs); err != nil {", "if err := s.copyArchived(ctx, page.IDs[:0]); err != nil {"}},
	},
	{
		name: "lists-stay-behind", file: "datacopy/archived.go", suite: "datacopy", run: "^TestACopyIsTakenUpAfterDeathAtEveryWrite$",
		why:   "customers do not see their older orders in the new store",
		edits: []edit{{"if len(owners) == 0 {", "if len(owners) >= 0 {"}},
	},
	{
		name: "incoming-journal-is-served", file: "kit/journal/meta.go", suite: "kit/journal", run: "^TestAnIncomingJournalIsWaitedFor$",
		why:   "a shop that is started too early sells from half of its data",
		edits: []edit{{"case found.Incoming != \"\":", "case found.Incoming == \"-\":"}},
	},
}
