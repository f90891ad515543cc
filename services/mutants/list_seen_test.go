package mutants

// seenMutants are incidents of telemetry: what went wrong in other people's shops, and must not in this one unnoticed.
var seenMutants = []mutant{
	{
		name: "trace-of-whoever-was-first", file: "kit/journal/callers.go", suite: journalPkg, run: "^TestAnEventIsNeverOfAnothersTrace$",
		why:   "a mail and a charge have the trace id of another customer's order, which was in the same commit",
		edits: []edit{{`if c.mixed || c.trace == "" {`, `if c.trace == "" {`}},
	},
	{
		name: "trace-id-made-anew-before-the-edge", file: "kit/httpx/problem.go", suite: "kit/httpx", run: "^TestTraceIDsSurviveEveryOrderOfMiddlewares$",
		why:   "whatever is refused before the middleware that knows the trace has an id that nobody else knows",
		edits: []edit{{"ensureTrace(callersTrace(r))", "ensureTrace(r.Context())"}},
	},
	{
		name: "effects-forget-who-asked", file: "kit/task/worker.go", suite: "kit/task", run: "^TestWorkerWorksInTheTraceOfTheTask$",
		why:   "the trace ends where the work is queued",
		edits: []edit{{"	ctx = httpx.ContextWithTraceParent(ctx, t.Trace)\n", "	_ = httpx.ContextWithTraceParent(ctx, t.Trace)\n"}},
	},
	{
		name: "one-series-for-all-routes", file: "kit/httpx/metrics.go", suite: "kit/httpx", run: "^TestASlowRouteIsFoundByItsMetrics$",
		why:   "the average hides the route that became slow",
		edits: []edit{{"of := series{route: route, ", "of := series{route: unmatched, "}},
	},
	{
		name: "profiles-are-open", file: "host/internal.go", suite: "host", run: "^TestProfilesAreForWhoShowsTheToken$",
		why:   "anybody who reaches the internal port reads the heap",
		edits: []edit{{"mux.Handle(\"GET /debug/pprof/\", shown(h.cfg.PProfToken, profiles(), e))", "mux.Handle(\"GET /debug/pprof/\", profiles())"}},
	},
	{
		name: "liveness-asks-for-readiness", file: "host/internal.go", suite: "host", run: "^TestAProcessThatCannotWorkYetIsAlive$",
		why:   "a pod that starts slowly is killed while it starts, over and over",
		edits: []edit{{"e.GET(livePath, h.health)", "e.GET(livePath, h.readiness)"}},
	},
	{
		name: "all-leave-together", file: "kit/vitals/watch.go", suite: "kit/vitals", run: "^TestReplicasInDangerDoNotLeaveTogether$",
		why:   "a sale puts every replica over its bound, and the registry has none left",
		edits: []edit{{"return uint64(now.UnixNano()/int64(turnLasts))%turns == h.Sum64()%turns", "return true"}},
	},
	{
		name: "health-flaps", file: "kit/vitals/level.go", suite: "kit/vitals", run: "^(TestLevelsDoNotFlap|TestLevelsTakeSeveralLooks)$",
		why:   "a signal that hovers around its bound takes a replica away and brings it back, again and again",
		edits: []edit{{"			bound *= fallsBelow\n", ""}, {"if s.looks < needed {", "if s.looks < min(needed, 1) {"}},
	},
}
