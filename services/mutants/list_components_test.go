package mutants

// setMutants break what keeps a shop off a store or broker that would lose its orders or its messages.
var setMutants = []mutant{
	{
		name: "unsafe-store-is-taken", file: "components/stores.go", suite: "components", run: "^TestUnfitTypesAreRefusedByName$",
		why:   "a shop runs on a store that writes one commit over another",
		edits: []edit{{"case !store.Safe:", "case !store.Safe && !known:"}},
	},
	{
		name: "misspelt-field-is-passed-over", file: "components/fields.go", suite: "components", run: "^TestEachMistakeIsFoundOnceAndInItsLine$",
		why:   "a setting that somebody relies on is the default",
		edits: []edit{{"known, ok := spec.field(f.Name)\n\t\tif !ok {", "known, ok := spec.field(f.Name)\n\t\tif !ok && f.Name == \"\" {"}},
	},
	{
		name: "queues-may-be-deleted", file: "components/brokers.go", suite: "components", run: "^TestEachMistakeIsFoundOnceAndInItsLine$",
		why:   "the broker deletes an app's queue while the app is away",
		edits: []edit{{`{field: "deletedWhenUnused", byDefault: "true", ok: []string{"false"},`, `{field: "deletedWhenUnused", byDefault: "true",`}},
	},
	{
		name: "journals-may-expire", file: "components/rules.go", suite: "components", run: "^TestEachMistakeIsFoundOnceAndInItsLine$",
		why:   "Redis deletes every segment an hour after it was written",
		edits: []edit{{`{field: "ttlInSeconds", ok: []string{"", "0", "-1"},`, `{field: "ttlInSeconds",`}},
	},
	{
		name: "password-is-shown", file: "components/fields.go", suite: "components", run: "^TestValueWithAPasswordIsNeverShown$",
		why:   "the log of a build shows the password of the store",
		edits: []edit{{"if known.Sensitive || isSecretName(f.Name) || hasPassword(f.Value) {", "if known.Sensitive {"}},
	},
	{
		name: "stale-bulk-read-is-believed", file: "kit/journal/store.go", suite: "kit/journal", run: "^TestStaleBulkReadsHideNothing$",
		why:   "on DynamoDB, a segment of a moment ago counts as trimmed, and a follower passes over it",
		edits: []edit{{"item, err := state.Get(ctx, names[i])", "item, err := sidecar.Item{}, ctx.Err()"}},
	},
	{
		name: "stale-bulk-read-hides-a-view", file: "kit/archive/view.go", suite: "kit/archive", run: "^TestStaleBulkReadsHideNoView$",
		why:   "on DynamoDB, a customer who asks for the orders right after one was archived is told that something went wrong",
		edits: []edit{{"v, err = s.Get(ctx, id)", "err = ctx.Err()"}},
	},
}
