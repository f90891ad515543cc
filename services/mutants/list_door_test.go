package mutants

// doorMutants break what the gateway keeps out.
var doorMutants = []mutant{
	{
		name: "callers-say-who-they-are", file: "gateway/headers.go", suite: "gateway", run: "^TestServicesAreToldWhoAsks$",
		why:   "a header that anybody can send passes on to the services, which believe it",
		edits: []edit{{"\"Daprapi\", \"Sidecart-\",", "\"Daprapi\","}},
	},
	{
		name: "any-page-of-a-name-that-leads-here", file: "gateway/hostname.go", suite: "gateway", run: "^TestALoopbackGatewayIsAskedByItsOwnNames$",
		why:   "a site that lets its name lead to this machine orders in the name of who looks at it",
		edits: []edit{{"if asked == s.hostname ||", "if strings.Contains(asked, s.hostname) ||"}},
	},
	{
		name: "operation-is-taken-away", file: "gateway/contracts/breaks.go", suite: "gateway/contracts", run: "^TestABookKeepsWhatCannotBeReplaced$",
		why:   "a wrong release of a service closes what its callers need",
		edits: []edit{{"b.add(was.String(), \"is gone\")", "continue"}},
	},
	{
		name: "a-release-opens-an-operation", file: "gateway/contracts/breaks.go", suite: "gateway/contracts", run: "^TestWhatBreaksCallersAndWhatDoesNot$",
		why:   "a slip in a release lets customers do what operators may, and no operator was asked",
		edits: []edit{{"!was.Silent && !was.Open() && !slices.Contains(was.Roles, role)", "!was.Silent && !was.Open() && role == \"\""}},
	},
	{
		name: "who-goes-away-early-is-content", file: "gateway/fallback/breaker.go", suite: "gateway/fallback", run: "^TestWhoGoesAwayEarlySaysNothing$",
		why:   "impatient callers hide from a breaker that a service fails, and close it while the service is down",
		edits: []edit{{"a.done(errUnjudged)", "a.done(nil)"}},
	},
	{
		name: "named-files-are-read-once", file: "gateway/rules/watcher.go", suite: "gateway", run: "^TestServicesOfOthersChangeWhole$",
		why:   "a mended contract of a service of others is in use only after somebody changes gateway.yaml",
		edits: []edit{{"if len(w.named) == 0 {", "if true {"}},
	},
	{
		name: "the-sidecar-answers-for-an-app", file: "kit/sidecar/client.go", suite: "kit/sidecar", run: "^TestNobodyCallsTheSidecarAsAnApp$",
		why:   "a team that gives the gateway its descriptors reads every secret of the shop",
		edits: []edit{{"return strings.HasPrefix(method, own) }", "return strings.HasPrefix(own, method) }"}},
	},
	{
		name: "a-strangers-header-fails-the-call", file: "gateway/bridge/transport.go", suite: "gateway/bridge", run: "^TestHeadersThatGRPCCannotCarry$",
		why:   "anybody opens the breaker of a service that speaks gRPC with a header that gRPC does not take",
		edits: []edit{{" && carried(key, values) {", " {"}},
	},
	{
		name: "gateway-yaml-shuts-the-shop", file: "gateway/contracts/given.go", suite: "gateway/contracts", run: "^TestWhatTheOperatorGivesCostsTheShopNothing$",
		why:   "a service of others that a gateway was given before it knew the shop's contracts leaves the shop without these",
		edits: []edit{{"range unfit {", "range unfit[:0] {"}},
	},
	{
		name: "a-part-takes-longer-than-its-route", file: "gateway/present.go", suite: "gateway", run: "^TestARoutesBudgetHoldsForItsPartOfAScreen$",
		why:   "a screen waits for a service longer than the operator lets anybody",
		edits: []edit{{"\tdefer s.within(part)()\n", ""}},
	},
	{
		name: "a-contract-comes-back-unseen", file: "gateway/contracts/book.go", suite: "gateway/contracts", run: "^TestABookKeepsWhatCannotBeReplaced$",
		why:   "the alarm for a contract that went away stays on when it is back",
		edits: []edit{{"e.asked = \"\" // when", "// when"}},
	},
	{
		name: "required-member-may-be-missing", file: "gateway/contracts/value.go", suite: "gateway/contracts", run: "^(TestFaultsNameThePointerTheRuleAndTheType|TestTheLibraryAgrees)$",
		why:   "requests that lack what a contract requires reach the services",
		edits: []edit{{"if seen&(1<<i) == 0 {", "if seen|1<<i == 1<<i {"}},
	},
	{
		name: "an-answer-ends-with-its-handler", file: "host/answer.go", suite: "host", run: "^TestAnAnswerThatStreamsIsReadToItsEnd$",
		why: "what a service in this process streams breaks off now and then just before its end",
		edits: []edit{{"context.AfterFunc(a.caller, func() { _ = writer.CloseWithError(a.caller.Err()) })",
			"context.AfterFunc(a.request.Context(), func() { _ = writer.CloseWithError(context.Canceled) })"}},
	},
	{
		name: "time-of-a-caller-ends-at-the-process", file: "host/transport.go", suite: "host", run: "^TestACallIsTheSameInBothPlacements$",
		why:   "a service works on for callers who have long given up",
		edits: []edit{{"\thttpx.PutWithin(r.Context(), out.Header)\n", ""}},
	},
	{
		name: "failures-are-tried-again", file: "gateway/target.go", suite: "gateway", run: "^TestAFailureIsNoStorm$",
		why:   "a service that has too much to do gets three times as much",
		edits: []edit{{"	if outcome != gray.Failed {\n		return err\n	}\n", "	for range 2 {\n		if outcome != gray.Failed {\n			return err\n		}\n		outcome, err = s.askTarget(x)\n	}\n"}},
	},
}
