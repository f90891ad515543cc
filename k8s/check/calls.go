package check

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Call is one way in which an app calls another.
type Call struct {
	From, To, Method string
	Path             string // below the service's name, with values in the place of parameters
	Source           string // the file that makes it, relative to services/; "" for what the contracts say
}

func (c Call) path() string { return "/" + c.To + c.Path }

// String is how findings name it.
func (c Call) String() string { return fmt.Sprintf("%s → %s %s", c.From, c.Method, c.path()) }

// journalRoute is where a service has its journal: a test compares it with the code's.
const journalRoute = "/journal"

const someID = "01a1fa91-596a-7a46-93ac-b23dbe480a2d"

// Calls are those that are written out in the code; a test looks for others there. The gateway's calls on behalf of the public are
// in the services' contracts.
var Calls = slices.Concat(
	[]Call{
		{"order", "inventory", "POST", "/internal/holds", "order/holds.go"},
		{"order", "inventory", "POST", "/internal/holds/batch", "order/holds.go"},
		{"order", "inventory", "POST", "/internal/holds/" + someID + "/release", "order/place.go"},
		{"gateway", "account", "GET", "/v1/accounts/keys", "kit/identity/source.go"},
		{"gateway", "account", "GET", "/internal/revoked", "kit/identity/source.go"},
	},
	follows("inventory", "order"), follows("order", "payment"), follows("order", "inventory"), follows("payment", "order"), follows("notify", "order"),
	operates("inventory"), operates("order"), operates("payment"), operates("notify"), operates("account"),
)

// follows are a follower's calls to its source.
func follows(follower, source string) []Call {
	return []Call{
		{follower, source, "GET", journalRoute, "kit/follow/source.go"},
		{follower, source, "GET", journalRoute + "/1", "kit/follow/source.go"},
		{follower, source, "GET", journalRoute + "/1/snapshot", "kit/follow/seed.go"},
	}
}

// operates are the gateway's own calls to a service, for operators and to learn its contract.
func operates(service string) []Call {
	return []Call{
		{"gateway", service, "GET", "/openapi.yaml", "gateway/contracts/fetch.go"},
		{"gateway", service, "GET", "/internal/status", "gateway/ops.go"},
		{"gateway", service, "GET", "/internal/parked", "gateway/ops.go"},
		{"gateway", service, "POST", "/internal/parked/" + someID + "/retry", "gateway/ops.go"},
		{"gateway", service, "POST", "/internal/parked/" + someID + "/discard", "gateway/ops.go"},
		{"gateway", service, "POST", "/internal/parked/retry", "gateway/ops.go"},
		{"gateway", service, "POST", "/internal/parked/discard", "gateway/ops.go"},
		{"gateway", service, "DELETE", journalRoute + "/followers/crm", "gateway/ops.go"},
		{"gateway", service, "GET", "/internal/brokers", "gateway/brokers.go"},
	}
}

// published are the gateway's calls on behalf of the public: every operation of every contract.
func published(root string) ([]Call, error) {
	files, err := filepath.Glob(filepath.Join(root, "services", "*", "openapi.yaml"))
	if err != nil {
		return nil, err
	}
	var calls []Call
	for _, file := range files {
		service := filepath.Base(filepath.Dir(file))
		if service == "gateway" {
			continue // answered by the gateway itself
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var contract struct {
			Paths map[string]map[string]any
		}
		if err := yaml.Unmarshal(text, &contract); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for template, operations := range contract.Paths {
			for method := range operations {
				if method = strings.ToUpper(method); slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "PATCH"}, method) {
					calls = append(calls, Call{From: "gateway", To: service, Method: method, Path: filled(template)})
				}
			}
		}
	}
	return calls, nil
}

// filled puts a value in the place of each parameter.
func filled(template string) string {
	segments := strings.Split(template, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = someID
		}
	}
	return strings.Join(segments, "/")
}

// forbidden are calls that nobody has any business to make: every call in the name of every app that does not make it, and some more.
func forbidden(calls []Call) []Call {
	list := []Call{
		{From: "gateway", To: "inventory", Method: "POST", Path: "/internal/holds"},
		{From: "gateway", To: "order", Method: "GET", Path: journalRoute + "/1"},
		{From: "gateway", To: "payment", Method: "GET", Path: "/internal/charges/" + someID},
		{From: "gateway", To: "account", Method: "GET", Path: journalRoute + "/1"},
		{From: "order", To: "inventory", Method: "DELETE", Path: journalRoute + "/followers/order"},
		{From: "order", To: "inventory", Method: "PUT", Path: "/v1/inventory/mug"},
		{From: "order", To: "payment", Method: "POST", Path: journalRoute},
	}
	for _, c := range calls {
		for _, from := range append([]string{"stranger"}, apps...) {
			other := Call{From: from, To: c.To, Method: c.Method, Path: c.Path}
			made := slices.ContainsFunc(calls, func(c Call) bool { c.Source = ""; return c == other })
			if from != c.To && !made { // an app's own sidecar does not ask itself
				list = append(list, other)
			}
		}
	}
	return list
}
