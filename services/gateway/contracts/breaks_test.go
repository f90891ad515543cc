package contracts

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const stall = `
openapi: 3.0.3
info: {title: Stall, version: 1.4.0}
paths:
  /v1/teas:
    get:
      operationId: listTeas
      x-roles: [anyone]
      parameters:
        - {name: kind, in: query, schema: {type: string, enum: [green, black]}}
        - {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 100}}
      responses:
        '200': {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Tea'}}}}
        '404': {description: none}
    post:
      operationId: addTea
      x-roles: [operator, service]
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/NewTea'}}}}
      responses: {'201': {description: ok}}
  /v1/teas/{tea}:
    delete:
      operationId: removeTea
      parameters: [{name: tea, in: path, required: true, schema: {type: string, maxLength: 9}}]
      responses: {'204': {description: ok}}
components:
  schemas:
    NewTea:
      type: object
      additionalProperties: false
      required: [name]
      properties:
        name: {type: string, maxLength: 20}
        note: {type: string, nullable: true}
        grams: {type: integer, minimum: 1}
        inside: {$ref: '#/components/schemas/NewTea'}
    Tea: {type: object, required: [name, state], properties: {name: {type: string}, state: {type: string, enum: [new]}, price: {oneOf: [{type: integer}, {type: string}]}}}
`

func TestWhatBreaksCallersAndWhatDoesNot(t *testing.T) {
	before, err := Read("stall", []byte(stall))
	require.NoError(t, err)
	for _, tc := range []struct{ what, from, to, reason string }{
		{"nothing", "Stall", "The stall", ""},
		{"an operation more", "paths:\n", "paths:\n  /v1/cups:\n    get: {responses: {'200': {description: ok}}}\n", ""},
		{"an operation less", "/v1/teas/{tea}:", "/v1/tea/{tea}:", "DELETE /v1/teas/{tea} is gone"},
		{"another id", "operationId: listTeas", "operationId: teas", `GET /v1/teas is called "teas" and no longer "listTeas", which rules name`},
		{"fewer roles", "[operator, service]", "[operator]", "POST /v1/teas is no longer for service"},
		{"not open any more", "x-roles: [anyone]", "x-roles: [customer]", "GET /v1/teas is no longer for anyone"},
		{"more roles", "[operator, service]", "[operator, service, customer]", "POST /v1/teas is now for customer, too"},
		{"open", "[operator, service]", "[operator, service, anyone]", "POST /v1/teas is now for anyone, too"},
		{"what was open to operators by silence", "operationId: removeTea\n", "operationId: removeTea\n      x-roles: [operator, anyone]\n", "DELETE /v1/teas/{tea} is now for anyone, too"},
		{"one word for what was open to all", "x-roles: [anyone]", "x-roles: [anyone, customer]", ""},
		{"a parameter more", "parameters:\n", "parameters:\n        - {name: page, in: query, schema: {type: string}}\n", ""},
		{"a required parameter more", "parameters:\n", "parameters:\n        - {name: page, in: query, required: true, schema: {type: string}}\n", "GET /v1/teas query parameter page is new and required"},
		{"a parameter required", "{name: kind, in: query,", "{name: kind, in: query, required: true,", "GET /v1/teas query parameter kind is required"},
		{"an enum narrowed", "[green, black]", "[green]", "GET /v1/teas query parameter kind takes fewer values"},
		{"an enum widened", "[green, black]", "[green, black, white]", ""},
		{"bounds tighter", "maximum: 100", "maximum: 99", "GET /v1/teas query parameter limit has tighter bounds"},
		{"bounds wider", "maximum: 100", "maximum: 101", ""},
		{"a length", "maxLength: 9", "maxLength: 8", "DELETE /v1/teas/{tea} path parameter tea has tighter bounds of its length"},
		{"a pattern", "maxLength: 20", "maxLength: 20, pattern: '^a'", "POST /v1/teas body /name has another pattern"},
		{"a format", "name: {type: string, maxLength: 20", "name: {type: string, format: uuid, maxLength: 20", "POST /v1/teas body /name has another format"},
		{"a body required", "requestBody: {", "requestBody: {required: true, ", "POST /v1/teas needs a body"},
		{"a member required", "required: [name]\n", "required: [name, grams]\n", "POST /v1/teas body /grams is required"},
		{"a member gone", "        note: {type: string, nullable: true}\n", "", "POST /v1/teas body /note is not taken any more"},
		{"a member more", "        note:", "        more: {type: string}\n        note:", ""},
		{"null no more", "string, nullable: true", "string", "POST /v1/teas body /note is of fewer types"},
		{"a type", "grams: {type: integer", "grams: {type: string", "POST /v1/teas body /grams is of fewer types"},
		{"a wider type", "grams: {type: integer", "grams: {type: number", ""},
		{"an answer's status gone", "'201'", "'202'", "POST /v1/teas no longer answers 201"},
		{"an answer's failure gone", "        '404': {description: none}\n", "", ""},
		{"an answer's member not always there", "required: [name, state]", "required: [name]", "GET /v1/teas answer 200 /state is no longer always there"},
		{"an answer's member always there", "required: [name, state]", "required: [name, state, price]", ""},
		{"an answer's type", "properties: {name: {type: string}", "properties: {name: {type: integer}", "GET /v1/teas answer 200 /name is of more types"},
		{"an answer's value more", "enum: [new]", "enum: [new, old]", ""},
		{"an answer's member more", "properties: {name:", "properties: {more: {type: string}, name:", ""},
		{"what is not compared", "{oneOf: [{type: integer}, {type: string}]}", "{oneOf: [{type: integer}]}", "GET /v1/teas answer 200 /price has changed, and is of a kind that is not compared"},
	} {
		require.Contains(t, stall, tc.from, tc.what)
		after, err := Read("stall", []byte(strings.ReplaceAll(stall, tc.from, tc.to)))
		require.NoError(t, err, tc.what)
		reasons := Breaks(before, after)
		if tc.reason == "" {
			assert.Empty(t, reasons, tc.what)
			continue
		}
		assert.Contains(t, reasons, tc.reason, tc.what)
		assert.Len(t, reasons, 1, tc.what)
	}
}

func TestAPathParametersNameIsTheServices(t *testing.T) {
	before, err := Read("stall", []byte(stall))
	require.NoError(t, err)
	after, err := Read("stall", []byte(strings.NewReplacer("{tea}", "{id}", "{name: tea,", "{name: id,").Replace(stall)))
	require.NoError(t, err)
	assert.Empty(t, Breaks(before, after))
}

// A contract from before accounts promises nobody anything.
func TestWhatSaysNothingOfRolesTakesNoneAway(t *testing.T) {
	silent := strings.NewReplacer("      x-roles: [anyone]\n", "", "      x-roles: [operator, service]\n", "").Replace(stall)
	before, err := Read("stall", []byte(silent))
	require.NoError(t, err)
	after, err := Read("stall", []byte(strings.ReplaceAll(stall, "[operator, service]", "[customer]")))
	require.NoError(t, err)
	assert.Empty(t, Breaks(before, after))
	assert.NotEmpty(t, Breaks(after, before))

	// Operators are those who may where nothing is said, but not only they everywhere.
	operators, err := Read("stall", []byte(strings.NewReplacer("[anyone]", "[operator]", "[operator, service]", "[operator]").Replace(stall)))
	require.NoError(t, err)
	assert.Contains(t, Breaks(operators, before), "GET /v1/teas no longer says who may call it")
}

func TestVersionsHaveAFirstNumber(t *testing.T) {
	for version, major := range map[string]int{"1.4.0": 1, "v2": 2, "10.0": 10, "": 0, "x": 0, "2026-01": 0} {
		assert.Equal(t, major, majorOf(version), version)
	}
}
