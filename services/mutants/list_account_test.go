package mutants

// accountMutants break accounts, and the tokens that say who asks.
var accountMutants = []mutant{
	{
		name: "reuse-is-not-noticed", file: "account/decide.go", suite: "account", run: "^TestAnOldRefreshTokenEndsItsSession",
		why:   "a stolen refresh token is good for as long as its session",
		edits: []edit{{"endOf(a, at, accountapi.EndedReuse, []session{*open})}, nil", "}, nil"}},
	},
	{
		name: "lost-answer-is-theft", file: "account/decide.go", suite: "account", run: "^TestARefreshTokenIsGoodOnce",
		why:   "whoever loses one answer on a train is signed out",
		edits: []edit{{"at.Time.Sub(open.UsedAt) <= refreshLeeway", "at.Time.Sub(open.UsedAt) < 0"}},
	},
	{
		name: "ended-session-is-not-told", file: "account/apply.go", suite: "account", run: "^TestSigningOut$",
		why:   "who signs out is signed in for ten minutes more",
		edits: []edit{{"s.revoke(ended{Session: id, Until: e.TokensUntil}, at.Time)", "_ = id"}},
	},
	{
		name: "password-changed-meanwhile", file: "account/decide.go", suite: "account", run: "^TestSessionsKeepTheirRules$",
		why: "a thief who signs in while the password is changed stays signed in",
		edits: []edit{{
			"\tif a.Hash != c.HashSeen {\n\t\treturn nil, nil, errWrongCredentials\n\t}\n\tvar events",
			"\tif a.Hash == \"\" {\n\t\treturn nil, nil, errWrongCredentials\n\t}\n\tvar events",
		}},
	},
	{
		name: "old-sessions-survive-a-new-password", file: "account/decide.go", suite: "account", run: "^TestANewPasswordEndsTheOtherSessions$",
		why:   "changing the password does not throw a thief out",
		edits: []edit{{"endAll(a, at, accountapi.EndedPassword, a.Sessions)", "endAll(a, at, accountapi.EndedPassword, nil)"}},
	},
	{
		name: "hash-is-kept-in-the-open", file: "account/secret.go", suite: "account", run: "^TestNothingThatIsKept",
		why: "whoever reads a backup can guess passwords",
		edits: []edit{
			{"return k.Seal(forPasswords, accountID, []byte(hash))", "return \"x.\" + hash"},
			{"plain, fresh, err := k.Open(forPasswords, accountID, sealed)", "plain, fresh, err := []byte(sealed[2:]), true, error(nil)"},
		},
	},
	{
		name: "device-of-another-account", file: "account/secret.go", suite: "account", run: "^TestStrangersAreHeldUp",
		why:   "whoever has any account has as many guesses at another's password as devices",
		edits: []edit{{" || uuid.UUID(data[:uuidBytes]).String() != accountID", ""}},
	},
	{
		name: "attempts-at-once-are-not-counted", file: "account/guard.go", suite: "account", run: "^TestAttemptsAtTheSameTime",
		why:   "a thousand guesses at the same moment count as one",
		edits: []edit{{"\tf.count++\n", ""}},
	},
	{
		name: "known-devices-are-strangers", file: "account/guard.go", suite: "account", run: "^TestStrangersAreHeldUp",
		why:   "strangers lock an account's owner out at home",
		edits: []edit{{"f := g.watched[w]\n\tif f == nil", "w.device = \"\"\n\tf := g.watched[w]\n\tif f == nil"}},
	},
	{
		name: "any-algorithm-of-any-key", file: "kit/identity/check.go", suite: "kit/identity", run: "^TestAForgedTokenIsRefused$",
		why:   "a token is believed by the algorithm that it names itself",
		edits: []edit{{"case err != nil || !slices.Contains(key.algs, jose.SignatureAlgorithm(header.Algorithm)):", "case err != nil:"}},
	},
	{
		name: "remembered-beyond-its-key", file: "kit/identity/verifier.go", suite: "kit/identity", run: "^TestAKeyCanBeRotated$",
		why:   "taking a stolen key out of the set changes nothing for tokens that were seen",
		edits: []edit{{"known != nil && known.by != known.from.keys.Load() || ", ""}},
	},
	{
		name: "remembered-beyond-its-end", file: "kit/identity/verifier.go", suite: "kit/identity", run: "^TestATokenEnds$",
		why:   "a token that was seen once is good for ever",
		edits: []edit{{"if !v.deps.Now().Before(known.expires) {", "if fresh && !v.deps.Now().Before(known.expires) {"}},
	},
	{
		name: "ended-sessions-are-forgotten-by-a-restart", file: "kit/identity/revoked.go", suite: "kit/identity", run: "^TestWithoutTheListOfEndedSessionsNothingCanBeTold$",
		why:   "who has signed out is signed in again while a gateway starts",
		edits: []edit{{"return false, errNoListYet", "return false, nil"}},
	},
	{
		name: "any-kind-of-token", file: "kit/identity/check.go", suite: "kit/identity", run: "^TestAForgedTokenIsRefused$",
		why:   "a JWT that was made for something else is an access token",
		edits: []edit{{"wanted, kinds = Audience, []string{typ}", "wanted, kinds = Audience, []string{typ, \"JWT\"}"}},
	},
	{
		name: "half-a-caller-is-a-service", file: "kit/identity/caller.go", suite: "kit/identity", run: "^TestHalfACallerIsNobody$",
		why:   "a request whose identity headers are damaged has the rights of the inside",
		edits: []edit{{"\tcase ok != [4]bool{true, true, true, true}:\n\t\treturn Nobody(), true", "\tcase ok != [4]bool{true, true, true, true}:\n\t\treturn Caller{}, false"}},
	},
	{
		name: "issuer-names-anybody", file: "kit/identity/issuer.go", suite: "kit/identity", run: "^TestAnotherIssuerIsBelieved",
		why:   "another issuer signs people in to accounts that are not its own",
		edits: []edit{{"Caller{Subject: is.Name + \":\" + subject, Tenant: is.Tenant}", "Caller{Subject: subject, Tenant: is.Tenant}"}},
	},
	{
		name: "theirs-is-ours", file: "kit/identity/issuer.go", suite: "kit/identity", run: "^TestAnotherIssuerIsBelieved",
		why:   "whoever is called operator elsewhere is one here",
		edits: []edit{{"if ours, mapped := is.Roles[theirs]; mapped && !had[ours] {", "if ours, mapped := is.Roles[theirs]; !had[ours] {\n\t\t\tif !mapped {\n\t\t\t\tours = theirs\n\t\t\t}"}},
	},
	{
		name: "halves-do-not-belong-together", file: "kit/identity/keys.go", suite: "kit/identity", run: "^TestBadKeySetsAreRefused",
		why:   "a damaged key set signs tokens that nobody can verify",
		edits: []edit{{"\t_, err = signed.Verify(public)\n\treturn signer, err", "\t_, _ = signed.Verify(public)\n\treturn signer, nil"}},
	},
}
