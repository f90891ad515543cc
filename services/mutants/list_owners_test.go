package mutants

// ownerMutants let people at what is not theirs.
var ownerMutants = []mutant{
	{
		name: "anybody-pays", file: "order/decide.go", suite: "order", run: "^TestOrdersAreTheirOwners$",
		why:   "whoever knows an order's id pays or cancels it",
		edits: []edit{{"if err == nil && !ownerOf(o).Admits(by) {", "if err == nil && by.Tenant == \"?\" && !ownerOf(o).Admits(by) {"}},
	},
	{
		name: "anybody-reads", file: "order/http.go", suite: "order", run: "^TestOrdersAreTheirOwners$",
		why:   "whoever knows an order's id sees what somebody bought",
		edits: []edit{{"if !ownerOf(o).Admits(identity.Of(c.Request().Header)) {", "if ownerOf(o).Subject == \"\" {"}},
	},
	{
		name: "anybody-is-told", file: "notify/http.go", suite: "notify", run: "^TestNotificationsAreOfTheOrdersOwner$",
		why:   "whoever knows an order's id sees what its customer was told",
		edits: []edit{{"if !(identity.Owner{Tenant: o.Tenant, Subject: o.Customer}).Admits(identity.Of(c.Request().Header)) {", "if o.Tenant == \"?\" && !(identity.Owner{}).Admits(identity.Of(c.Request().Header)) {"}},
	},
	{
		name: "key-is-everybodys", file: "order/place.go", suite: "order", run: "^TestAKeyIsItsCallers$",
		why:   "one customer's key hides another's order, or refuses it",
		edits: []edit{{"\treturn id, other\n", "\treturn other, other\n"}},
	},
	{
		name: "key-is-forgotten-on-the-way-back", file: "order/place.go", suite: "order", run: "^TestAKeyIsFoundByReplicasThatNameOrdersInAnotherWay$",
		why:   "while the setting of an upgrade is taken away, a repeat that reaches a replica that still has it is a second order",
		edits: []edit{{"\t\treturn other, id\n", "\t\treturn other, other\n"}},
	},
	{
		name: "tenants-beside-a-release-without", file: "order/place.go", suite: "order", run: "^TestBesideTheReleaseBeforeAccountsAKeyIsEverybodys$",
		why:   "the snapshot of a release that knows no tenants makes a tenant's orders the shop's",
		edits: []edit{{"if by.Tenant != \"\" && s.beside() {", "if by.Tenant == \"?\" && s.beside() {"}},
	},
	{
		name: "operators-of-all-tenants", file: "kit/identity/owner.go", suite: "kit/identity", run: "^TestWhoIsAdmitted$",
		why:   "an operator of one tenant sees the orders of every other",
		edits: []edit{{"return c.Tenant == o.Tenant && (", "return c.Tenant != \"?\" && ("}},
	},
	{
		name: "half-a-caller-is-inside", file: "kit/identity/owner.go", suite: "kit/identity", run: "^TestWhoIsAdmitted$",
		why:   "somebody who has not signed in has the rights of a service",
		edits: []edit{{"return c.Has(RoleService)\n\t}\n\treturn c.Tenant", "return true\n\t}\n\treturn c.Tenant"}},
	},
	{
		name: "stock-is-every-tenants", file: "inventory/http.go", suite: "inventory", run: "^TestTheStockIsTheShops$",
		why:   "an operator of a tenant changes the shop's prices",
		edits: []edit{{"if !identity.Of(c.Request().Header).OfShop() {", "if identity.Of(c.Request().Header).Tenant == \"?\" {"}},
	},
}
