package terminal

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// contracts gives the answers of the operations of real contracts.
func contracts(t testing.TB, services ...string) Answers {
	all := map[string][]*openapi3.Schema{}
	for _, name := range services {
		raw, err := os.ReadFile("../../" + name + "/openapi.yaml")
		require.NoError(t, err)
		doc, err := openapi3.NewLoader().LoadFromData(raw)
		require.NoError(t, err)
		for _, item := range doc.Paths.Map() {
			for _, op := range item.Operations() {
				all[op.OperationID] = []*openapi3.Schema{}
				for status, response := range op.Responses.Map() {
					if media := response.Value.Content.Get("application/json"); strings.HasPrefix(status, "2") && media != nil {
						all[op.OperationID] = append(all[op.OperationID], media.Schema.Value)
					}
				}
			}
		}
	}
	return func(operation string) ([]*openapi3.Schema, bool) {
		schemas, known := all[operation]
		return schemas, known
	}
}

func configOf(t testing.TB, text string) (c Config) {
	require.NoError(t, yaml.Unmarshal([]byte(text), &c))
	return c
}

const page = `{"items":[
  {"id":"1","status":"paid","customer":"ada","lines":[{"sku":"mug","title":"Mug","quantity":2,"unit_price":{"amount":1250,"currency":"EUR"}}],"total":{"amount":2500,"currency":"EUR"},"pay_by":"t","placed_at":"t","payment":{"method":"card","status":"charged","attempt":1}},
  {"id":"2","status":"awaiting_payment","customer":"ada","lines":[],"total":{"amount":0,"currency":"EUR"},"pay_by":"t","placed_at":"t"}],"next_cursor":"c"}`

func TestMapping(t *testing.T) {
	for name, tc := range map[string]struct{ rule, want string }{
		"nothing said": {`{}`, page},
		"keep": {`{keep: [/items/*/id, /items/*/total, /next_cursor]}`,
			`{"items":[{"id":"1","total":{"amount":2500,"currency":"EUR"}},{"id":"2","total":{"amount":0,"currency":"EUR"}}],"next_cursor":"c"}`},
		"keep deep": {`{keep: [/items/*/lines/*/unit_price/amount]}`, `{"items":[{"lines":[{"unit_price":{"amount":1250}}]},{"lines":[]}]}`},
		"keep but for": {`{keep: [/items], drop: [/items/*/lines, /items/*/total/currency, /items/*/customer, /items/*/pay_by, /items/*/placed_at, /items/*/payment]}`,
			`{"items":[{"id":"1","status":"paid","total":{"amount":2500}},{"id":"2","status":"awaiting_payment","total":{"amount":0}}]}`},
		"drop":                                {`{drop: [/items]}`, `{"next_cursor":"c"}`},
		"rename":                              {`{keep: [/items/*/id, /items/*/total], rename: {/items: orders, /items/*/total: price, /items/*/total/amount: cents}}`, `{"orders":[{"id":"1","price":{"cents":2500,"currency":"EUR"}},{"id":"2","price":{"cents":0,"currency":"EUR"}}]}`},
		"swap":                                {`{keep: [/items/*/id, /items/*/status], rename: {/items/*/id: status, /items/*/status: id}}`, `{"items":[{"status":"1","id":"paid"},{"status":"2","id":"awaiting_payment"}]}`},
		"a name that is free because it goes": {`{keep: [/items/*/id], rename: {/items: next_cursor}}`, `{"next_cursor":[{"id":"1"},{"id":"2"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			m, bad := New(configOf(t, "mini: {listOrders: "+tc.rule+"}"), contracts(t, "order"), true, nil)
			require.Empty(t, bad)
			h := http.Header{"Content-Type": {"application/json"}, "Etag": {`"1"`}}
			assert.JSONEq(t, tc.want, string(m.Map(h, 200, "mini", "listOrders", []byte(page))))
			assert.Equal(t, "X-Client", h.Get("Vary"))
			assert.Equal(t, tc.want == page, h.Get("ETag") != "", "it is of the service's own bytes")
		})
	}
}

func TestWhatIsNotTouched(t *testing.T) {
	reg := prometheus.NewRegistry()
	m, bad := New(configOf(t, "mini: {listOrders: {keep: [/next_cursor]}}"), contracts(t, "order"), true, NewMetrics(reg))
	require.Empty(t, bad)
	mapped := func(client, operation, contentType string, status int, body string) (string, string) {
		h := http.Header{"Content-Type": {contentType}}
		got := m.Map(h, status, client, operation, []byte(body))
		return string(got), h.Get("Vary")
	}
	for name, tc := range map[string]struct {
		client, operation, contentType string
		status                         int
		body, vary                     string
	}{
		"no terminal":       {"", "listOrders", "application/json", 200, page, "X-Client"},
		"one without rules": {"ios", "listOrders", "application/json", 200, page, "X-Client"},
		"another operation": {"mini", "getOrder", "application/json", 200, page, ""},
		"a problem":         {"mini", "listOrders", "application/problem+json", 200, page, ""},
		"a refusal":         {"mini", "listOrders", "application/json", 400, page, ""},
		"text":              {"mini", "listOrders", "text/plain", 200, page, ""},
		"empty":             {"mini", "listOrders", "application/json", 200, "", "X-Client"},
		"half a document":   {"mini", "listOrders", "application/json", 200, `{"next_cursor":"a"`, "X-Client"},
		"two documents":     {"mini", "listOrders", "application/json", 200, `{} {}`, "X-Client"},
		"no JSON":           {"mini", "listOrders", "application/json", 200, `hello`, "X-Client"},
		"not an object":     {"mini", "listOrders", "application/json", 200, `[1]`, "X-Client"},
		"null":              {"mini", "listOrders", "application/json", 200, `null`, "X-Client"},
	} {
		got, vary := mapped(tc.client, tc.operation, tc.contentType, tc.status, tc.body)
		assert.Equal(t, tc.body, got, name)
		assert.Equal(t, tc.vary, vary, name)
	}
	assert.InDelta(t, 3, testutil.ToFloat64(m.failed), 0, "half a document, two documents, no JSON")
	got, _ := mapped("mini", "listOrders", "application/json; charset=utf-8", 200, `{"x":[1,{}],"next\u005fcursor":"a"}`)
	assert.JSONEq(t, `{"next_cursor":"a"}`, got, "a name may be escaped")
	assert.Equal(t, "mini", m.Of("mini"))
	for _, client := range []string{"", "ios", "MINI", "web", strings.Repeat("x", 9000)} {
		assert.Equal(t, Default, m.Of(client))
	}
	var none *Mapper
	assert.Equal(t, "x", string(none.Map(http.Header{}, 200, "mini", "listOrders", []byte("x"))))
	assert.Equal(t, Default, none.Of("mini"))
}

func TestWebIsForAllOthers(t *testing.T) {
	m, bad := New(configOf(t, "web: {listOrders: {keep: [/next_cursor]}}\nios: {}"), contracts(t, "order"), true, nil)
	require.Empty(t, bad)
	for client, want := range map[string]string{"": `{"next_cursor":"c"}`, "tv": `{"next_cursor":"c"}`, "web": `{"next_cursor":"c"}`, "ios": page, Plain: page} {
		h := http.Header{"Content-Type": {"application/json"}}
		assert.JSONEq(t, want, string(m.Map(h, 200, client, "listOrders", []byte(page))), client)
	}
}

func TestFaults(t *testing.T) {
	for rule, want := range map[string]string{
		"mini: {listOrders: {keep: [items]}}":                                                               `/mini/listOrders/keep/0: the path "items" must be a JSON pointer: it begins with /`,
		"mini: {listOrders: {keep: [/items//id]}}":                                                          `/mini/listOrders/keep/0: the path "/items//id" has an empty segment`,
		"mini: {listOrders: {keep: [/items, /items]}}":                                                      `/mini/listOrders/keep/1: the path "/items" is there twice`,
		"mini: {listOrders: {keep: [/items/*/id, /items]}}":                                                 `/mini/listOrders/keep/0: the path "/items/*/id" is kept already by a shorter one`,
		"mini: {listOrders: {drop: [/items, /items/*/id]}}":                                                 `/mini/listOrders/drop/1: the path "/items/*/id" is dropped already`,
		"mini: {listOrders: {keep: [/items/*/id], drop: [/items]}}":                                         `/mini/listOrders/drop/0: the path "/items" is, or holds, something that is kept`,
		"mini: {listOrders: {keep: [/items], drop: [/items]}}":                                              `/mini/listOrders/drop/0: the path "/items" is, or holds, something that is kept`,
		"mini: {listOrders: {keep: [/items], drop: [/next_cursor]}}":                                        `/mini/listOrders/drop/0: the path "/next_cursor" is not kept`,
		"mini: {listOrders: {keep: [/items], rename: {/next_cursor: c}}}":                                   `/mini/listOrders/rename/~1next_cursor: the path "/next_cursor" is not kept`,
		"mini: {listOrders: {rename: {/items: next_cursor}}}":                                               `/mini/listOrders/rename/~1items: "next_cursor" is the name of another member beside it`,
		"mini: {listOrders: {rename: {/items: x, /next_cursor: x}}}":                                        `/mini/listOrders/rename/~1next_cursor: "x" is the name of another member beside it`,
		"mini: {listOrders: {rename: {/items: items}}}":                                                     `/mini/listOrders/rename/~1items: is its name already`,
		"mini: {listOrders: {rename: {/items: 'a b'}}}":                                                     `/mini/listOrders/rename/~1items: "a b" is no name: up to 64 letters, digits, '_', '.' and '-'`,
		"mini: {listOrders: {rename: {/items/*: x}}}":                                                       `/mini/listOrders/rename/~1items~1*: the elements of an array have no name`,
		"mini: {listOrders: {keep: [/items/*/weight]}}":                                                     `/mini/listOrders/keep/0: the path "/items/*/weight" is not in the contract: /items/* has cancel_reason, customer, id, lines, pay_by, payment, placed_at, status, total`,
		"mini: {listOrders: {keep: [/items/id]}}":                                                           `/mini/listOrders/keep/0: the path "/items/id" is not in the contract: /items is an array, whose elements are /items/*`,
		"mini: {listOrders: {keep: [/next_cursor/x]}}":                                                      `/mini/listOrders/keep/0: the path "/next_cursor/x" is not in the contract: /next_cursor has no members`,
		"mini: {listOrders: {keep: [/next_cursor/*]}}":                                                      `/mini/listOrders/keep/0: the path "/next_cursor/*" is not in the contract: /next_cursor is no array`,
		"mini: {listOrdres: {keep: [/items]}}":                                                              `/mini/listOrdres: no contract has the operation "listOrdres"`,
		"Mini: {listOrders: {keep: [/items]}}":                                                              `/Mini: a terminal's name is a lower-case word of up to 32 letters, digits and hyphens`,
		"mini: {listOrders: {drop: [" + strings.Repeat("/x,", maxPaths) + "/x]}}":                           `/mini/listOrders: has 201 paths, over the bound of 200`,
		"mini: {listOrders: {keep: [" + strings.Repeat("/x", maxDepth+1) + "]}}":                            `/mini/listOrders/keep/0: the path "` + strings.Repeat("/x", maxDepth+1) + `" has over 16 segments`,
		"mini: {listOrders: {drop: [/items/*/total/amount], rename: {/items/*/total/currency: amount}}}":    ``,
		"mini: {listOrders: {keep: [/items/*/lines/*/sku], rename: {/items/*/lines/*/sku: id, /items: x}}}": ``,
		"plain: {listOrders: {keep: [/items]}}":                                                             `/plain: is for callers who want every answer as it is; it can have no rules`,
	} {
		m, bad := New(configOf(t, rule), contracts(t, "order"), true, nil)
		require.NotNil(t, m, "usable whatever the faults")
		if want == "" {
			assert.Empty(t, bad, rule)
			continue
		}
		if assert.Len(t, bad, 1, rule) {
			assert.Equal(t, want, bad[0].Error())
		}
	}
	tooMany := Config{}
	for i := range maxTerminals + 1 {
		tooMany["t"+strings.Repeat("x", i)] = nil
	}
	assert.Len(t, tooMany.Check(), 1)
}

func TestRulesOfAContractThatIsNotKnownYetWait(t *testing.T) {
	c := configOf(t, "mini: {listOrders: {keep: [/nonsense]}, listItems: {keep: [/next_cursor]}}")
	m, bad := New(c, contracts(t, "inventory"), false, nil)
	require.Empty(t, bad)
	h := http.Header{"Content-Type": {"application/json"}}
	assert.Equal(t, page, string(m.Map(h, 200, "mini", "listOrders", []byte(page))))
	assert.JSONEq(t, `{"next_cursor":"c"}`, string(m.Map(h, 200, "mini", "listItems", []byte(page))))
}

// A contract may lose a member under rules that were good: the rest of them still holds.
func TestWhatIsFaultyIsLeftOutAndTheRestHolds(t *testing.T) {
	m, bad := New(configOf(t, "mini: {listOrders: {keep: [/items/*/id, /items/*/gone], rename: {/items/*/id: number, /items: next_cursor}, drop: [/away]}}"), contracts(t, "order"), true, nil)
	assert.Len(t, bad, 2, "what is not kept has a free name")
	h := http.Header{"Content-Type": {"application/json"}}
	assert.JSONEq(t, `{"next_cursor":[{"number":"1"},{"number":"2"}]}`, string(m.Map(h, 200, "mini", "listOrders", []byte(page))))
}
