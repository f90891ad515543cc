package mutants

// kitMutants break the rest of what services share.
var kitMutants = []mutant{
	{
		name: "no-first-write", file: "kit/sidecar/state.go", suite: "kit/sidecar", run: "^TestStateOverTheRealSidecar$",
		why: "two replicas write the same number, and the later one wins", needs: "../.bin/daprd",
		edits: []edit{{"dapr.WithConcurrency(dapr.StateConcurrencyFirstWrite)", "dapr.WithConcurrency(dapr.StateConcurrencyLastWrite)"}},
	},
	{
		name: "claim-of-another-is-ignored", file: "kit/task/task.go", suite: "kit/task",
		run: "^(TestTwoReplicasShareTheWork|TestResultsOfALostClaimAreRefused)$",
		why: "two replicas charge, or send, the same at the same moment",
		edits: []edit{{
			"return t.ClaimedBy == writer || !at.Before(t.ClaimUntil)", "return true",
		}},
	},
	{
		name: "result-of-a-lost-claim-counts", file: "kit/task/decide.go", suite: "kit/task", run: "^TestResultsOfALostClaimAreRefused$",
		why:   "a replica that lost its claim takes the task from who has it now",
		edits: []edit{{"if t.Status == Claimed && t.ClaimedBy == writer {", "if t.Status == Claimed {"}},
	},
	{
		name: "outcome-is-not-kept", file: "kit/task/record.go", suite: "kit/task", run: "^TestWorkerKeepsAnOutcomeUntilItIsRecorded$",
		why:   "a card is charged again whenever the store fails for a moment",
		edits: []edit{{"if errs.From(err).Kind != errs.Unavailable ||", "if errs.From(err) != nil ||"}},
	},
	{
		name: "sent-before-it-is-sent", file: "notify/channels.go", suite: "notify", run: "^TestEverythingIsSaidAtLeastOnce$",
		why: "a result recorded before the call: a death or a failure in between loses the mail",
		edits: []edit{{
			"_, err := s.bindings.Invoke(ctx, bindingMail, \"create\", []byte(mailBody(m, httpx.TraceID(ctx))), mailMetadata(m, s.from, httpx.TraceID(ctx)))\n" +
				"\tif err != nil {",
			"go func() {\n\t\t_, _ = s.bindings.Invoke(context.WithoutCancel(ctx), bindingMail, \"create\", []byte(mailBody(m, httpx.TraceID(ctx))),\n" +
				"\t\t\tmailMetadata(m, s.from, httpx.TraceID(ctx)))\n\t}()\n\tif err := ctx.Err(); err != nil {",
		}},
	},
	{
		name: "message-has-a-new-id", file: "notify/decide.go", suite: "notify", run: "^TestDomain$",
		why:   "a repeated event queues the same mail again",
		edits: []edit{{"if _, made := messageOf(o, m.ID); made {", "if _, made := messageOf(o, m.ID); made && o == nil {"}},
	},
	{
		name: "shards-share-what-an-event-means", file: "kit/follow/segment.go", suite: "kit/follow", run: "^TestTheCommandsOfAnEventReachTheirShards$",
		why:   "of a paid order with lines in several shards, the stock of one line is confirmed twice and that of another never",
		edits: []edit{{"routed[n : n+1 : n+1]", "routed[n : n+1]"}},
	},
	{
		name: "two-clones-append-to-one-array", file: "kit/trie/trie.go", suite: "kit/trie", run: "^TestOneLineAppendsInPlace$",
		why:   "what a dropped trial appended is overwritten, or overwrites what was committed",
		edits: []edit{{"ours := n.owner.line == m.line", "ours := true"}},
	},
	{
		name: "older-view-wins", file: "kit/archive/view.go", suite: "kit/archive", run: "^TestTheLatestViewStays$",
		why:   "a slow replica replaces a finished order by what it was before",
		edits: []edit{{"there.Seq >= v.Seq {", "there.Seq == v.Seq {"}},
	},
	{
		name: "archived-is-forgotten", file: "kit/archive/index.go", suite: "kit/archive", run: "^TestIndexIsNeverWronglyNo$",
		why:   "the index says no to an archived order, and a repeat of it is a new order",
		edits: []edit{{"if f.bits.TestString(id) {\n\t\t\treturn true", "if f.bits.TestString(id) {\n\t\t\treturn false"}},
	},
	{
		name: "old-look-is-believed", file: "kit/archive/look.go", suite: "kit/archive", run: "^TestALookThatHasBecomeOldIsMadeAgain$",
		why:   "an order that is archived between the look and the decision is not found",
		edits: []edit{{"if look == nil || look.Generation != x.Generation() {", "if look == nil {"}},
	},
	{
		name: "archived-before-its-view-is-written", file: "kit/archive/archiver.go", suite: "kit/archive",
		run:   "^TestNothingLeavesMemoryBeforeItIsElsewhere$",
		why:   "a finished order leaves memory although the store did not take its view: it is gone",
		edits: []edit{{"if err := group.Wait(); err != nil {", "if err := group.Wait(); err != nil && ctx.Err() != nil {"}},
	},
	{
		name: "a-call-outlives-its-request", file: "kit/httpx/request.go", suite: "kit/httpx", run: "^TestARequestEndsAsAContextDoes$",
		why:   "services and stores work on for requests that have ended",
		edits: []edit{{"\t\tgo entry.run()\n", "\t\t_ = entry\n"}},
	},
	{
		name: "slow-services-look-like-impatient-callers", file: "kit/httpx/request.go", suite: "kit/httpx", run: "^TestARequestEndsAsAContextDoes$",
		why:   "a breaker and the limits of load take a service that is too slow for a caller who has gone",
		edits: []edit{{"return context.DeadlineExceeded", "return context.Canceled"}},
	},
	{
		name: "not-reached-is-called-unchanged", file: "kit/httpx/call.go", suite: "kit/httpx", run: "^TestCallCarriesContextAndErrors$",
		why:   "a call to another service that broke off is reported as one that changed nothing",
		edits: []edit{{"if errors.Is(err, ErrNotSent) {", "if err != nil {"}},
	},
	{
		name: "gateway-calls-unknown-unchanged", file: "gateway/forward.go", suite: "gateway", run: "^TestProblemsPassAndOtherFailuresDoNot$",
		why:   "a customer whose request broke off is told that nothing was changed, and orders under a new key",
		edits: []edit{{"if method == http.MethodGet || errors.Is(err, httpx.ErrNotSent) {", "if method == http.MethodGet || err != nil {"}},
	},
	{
		name: "broker-is-asked-for-a-retry", file: "host/events.go", suite: "host", run: "^TestEventsReachEveryFollowerAndAreAlwaysAcknowledged$",
		why:   "one event that cannot be read is redelivered at once and for ever",
		edits: []edit{{"map[string]string{\"status\": \"SUCCESS\"}", "map[string]string{\"status\": \"RETRY\"}"}},
	},
	{
		name: "unhealthy-while-stopping", file: "host/app.go", suite: "host", run: "^TestStoppingLetsWorkUnderWayEnd$",
		why: "a sidecar that was told to end, too, does so under the last commits of its app",
		edits: []edit{{
			"return c.JSON(http.StatusOK, map[string]string{\"status\": \"ok\"})",
			"if h.stopping.Load() {\n\t\treturn errs.New(errs.Unavailable, errs.CodeUnavailable, \"stopping\")\n\t}\n\treturn c.JSON(http.StatusOK, map[string]string{\"status\": \"ok\"})",
		}},
	},
	{
		name: "services-stop-under-requests", file: "host/run.go", suite: "host", run: "^TestStoppingLetsWorkUnderWayEnd$",
		why: "a request that was taken ends with an error because its service is stopped first",
		edits: []edit{{
			"err := errors.Join(intake.shutdown(ctx), h.gate.close(ctx))\n\tstopWork()",
			"stopWork()\n\terr := errors.Join(intake.shutdown(ctx), h.gate.close(ctx))",
		}},
	},
	{
		name: "stopping-takes-more-work", file: "host/gate.go", suite: "host", run: "^TestStoppingLetsWorkUnderWayEnd$",
		why:   "a replica on its way out goes on taking calls, which nobody ends",
		edits: []edit{{"if g.closed {\n\t\treturn false", "if g.closed {\n\t\treturn true"}},
	},
	{
		name: "changed-notifications-are-archived", file: "notify/decide.go", suite: "notify", run: "^TestArchivingLeavesOutWhatChanged$",
		why:   "a message that was sent after the view was written is forgotten, and sent again when its event is heard again",
		edits: []edit{{"o.Seq == ref.Seq && settled(o)", "settled(o)"}},
	},
}
