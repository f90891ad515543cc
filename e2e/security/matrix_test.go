package security

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
)

// operation is one of the contract that the gateway publishes.
type operation struct {
	id, method, template string
}

// operations are all of them.
func (w *world) operations() []operation {
	w.t.Helper()
	a := w.ask(http.MethodGet, "/openapi.json", nil, nil)
	require.Equal(w.t, http.StatusOK, a.Status)
	var contract struct {
		Paths map[string]map[string]any
	}
	require.NoError(w.t, a.Into(&contract))
	var all []operation
	for template, item := range contract.Paths {
		for method, op := range item {
			if members, ok := op.(map[string]any); ok && method == strings.ToLower(method) && members["responses"] != nil {
				id, _ := members["operationId"].(string)
				require.NotEmpty(w.t, id, "%s %s has no name", method, template)
				all = append(all, operation{id, strings.ToUpper(method), template})
			}
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	return all
}

// matrix reads the table of docs/security.md: for each operation the status that each caller gets.
func matrix(t *testing.T) map[string]map[string]int {
	t.Helper()
	table := map[string]map[string]int{}
	var header []string
	for line := range strings.Lines(document(t)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case cells[0] == "operation":
			header = cells[1:]
			require.Equal(t, columns, header, "the callers of the table")
		case !strings.HasPrefix(line, "|"):
			header = nil
		case header != nil && strings.HasPrefix(cells[0], "`"):
			id := strings.Trim(cells[0], "`")
			require.Len(t, cells[1:], len(header), id)
			require.NotContains(t, table, id)
			table[id] = map[string]int{}
			for i, cell := range cells[1:] {
				status, err := strconv.Atoi(cell)
				require.NoError(t, err, "%s for %s", id, header[i])
				table[id][header[i]] = status
			}
		}
	}
	require.NotEmpty(t, table, "docs/security.md has no table of operations")
	return table
}

// TestEveryOperationForEveryCaller asks for everything that the gateway has, for everybody, and compares the answers with the table of
// docs/security.md. Impostors get what nobody gets. What was refused has changed nothing.
func TestEveryOperationForEveryCaller(t *testing.T) {
	w, want := open(t), matrix(t)
	all := w.operations()
	var names []string
	for _, op := range all {
		names = append(names, op.id)
	}
	require.ElementsMatch(t, names, slices.Collect(maps.Keys(want)), "the operations of the contract and the rows of docs/security.md")
	for id := range requests {
		require.Contains(t, names, id, "a request for an operation that is not there")
	}

	callers, impostors := w.callers(), w.impostors()
	for _, op := range all {
		t.Run(op.id, func(t *testing.T) {
			outer := w.t
			w.t = t
			defer func() { w.t = outer }()
			var r *request
			try := func(name string, who caller, status int) {
				if r == nil {
					r = w.request(op.id)
				}
				a := w.send(op, *r, who)
				assert.Equal(t, status, a.Status, "%s: %s", name, a.Body)
				refused(t, name, a)
				privy := name == "its owner" || name == "operator" && !r.ownOnly
				done := a.Status < http.StatusBadRequest
				if r.private != "" && done {
					assert.Equal(t, privy, strings.Contains(string(a.Body), r.private), "%s: %s in %s", name, r.private, a.Body)
				}
				if done && op.method != http.MethodGet && name == "another customer" {
					w.eve = w.signedUp() // she may have signed out
				}
				switch {
				case r.same != nil && (!done || r.ownOnly && !privy):
					r.same()
				case done && op.method != http.MethodGet:
					r = nil // used up
				}
			}
			for name, who := range impostors {
				try("somebody "+name, who, want[op.id]["nobody"])
			}
			for _, name := range columns {
				try(name, callers[name], want[op.id][name])
			}
		})
	}
}

// request makes one for an operation.
func (w *world) request(id string) *request {
	var r request
	if make, ok := requests[id]; ok {
		r = make(w)
	}
	if r.owner == nil {
		r.owner = w.ada
	}
	return &r
}

var parameter = regexp.MustCompile(`\{(\w+)\}`)

// send sends a request as somebody.
func (w *world) send(op operation, r request, who caller) client.Answer {
	w.t.Helper()
	path := parameter.ReplaceAllStringFunc(op.template, func(name string) string {
		value, ok := r.path[strings.Trim(name, "{}")]
		require.True(w.t, ok, "%s: there is no value for %s", op.id, name)
		return url.PathEscape(value)
	})
	if len(r.query) > 0 {
		path += "?" + r.query.Encode()
	}
	header := who(r.owner).Clone()
	if r.key {
		if header == nil {
			header = http.Header{}
		}
		header.Set("Idempotency-Key", uuid.NewString())
	}
	return w.ask(op.method, path, header, r.body)
}

// refused checks what a refusal says, and that it says it as the contract does.
func refused(t *testing.T, name string, a client.Answer) {
	t.Helper()
	switch a.Status {
	case http.StatusUnauthorized:
		assert.Contains(t, a.Header.Get("WWW-Authenticate"), "Bearer", name)
		fallthrough
	case http.StatusForbidden, http.StatusNotFound:
		var p client.Problem
		require.NoError(t, a.Into(&p), name)
		assert.NotEmpty(t, p.Code, name)
		assert.Equal(t, a.Status, p.Status, name)
	}
}
