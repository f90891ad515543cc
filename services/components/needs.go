package components

import "slices"

// need is one component that the services ask their sidecars for.
type need struct {
	name string
	// types that the services can use: whole types, or a building block. Mails are sent as smtp, sendgrid, SES and postmark
	// understand them alike; the other two speak HTTP through the binding, with paths, headers and status codes.
	block string
	types []string
	apps  []string // that use it, when each service is an app of its own
	why   string
}

// allInOne is the app that is every service in one process.
const allInOne = "sidecart"

// apps are all that may stand in scopes: dapr-config/one.yaml and split.yaml start them.
var apps = []string{"inventory", "order", "payment", "notify", "account", "gateway", allInOne}

// needs are the names that the services use. A set without one of them starts and then fails its customers.
var needs = []need{
	{name: "state", block: "state", apps: []string{"inventory", "order", "payment", "notify", "account"}, why: "the journals are in it"},
	{name: "pubsub", block: "pubsub", apps: []string{"inventory", "order", "payment", "notify", "account"}, why: "followers hear of news through it"},
	{name: "mail", block: "bindings", types: []string{"bindings.smtp", "bindings.twilio.sendgrid", "bindings.aws.ses", "bindings.postmark"},
		apps: []string{"notify"}, why: "notify sends mails through it"},
	{name: "sms", block: "bindings", types: []string{"bindings.http"}, apps: []string{"notify"}, why: "notify sends texts through it"},
	{name: "payment-provider", block: "bindings", types: []string{"bindings.http"}, apps: []string{"payment"}, why: "payment charges through it"},
	{name: accountSecrets, block: "secretstores", apps: []string{"account"}, why: "account signs tokens with what is in it"},
}

// accountSecrets is the one store of secrets that an app reads: dapr-config/config.yaml allows the one secret in it.
const accountSecrets = "account-secrets"

// secretStore is the name under which dapr-config/config.yaml keeps apps from reading the secret store.
const secretStore = "secrets"

func needFor(name string) (need, bool) {
	i := slices.IndexFunc(needs, func(n need) bool { return n.name == name })
	if i < 0 {
		return need{}, false
	}
	return needs[i], true
}

// mustSee are the apps that need the component, in both placements.
func (n need) mustSee() []string { return append(slices.Clone(n.apps), allInOne) }
