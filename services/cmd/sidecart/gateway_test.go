package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/gateway/foreign/foreigntest"
	"github.com/sidecart/sidecart/services/gateway/rules"
)

func TestTheShippedRulesHaveNothingToMend(t *testing.T) {
	shipped := filepath.Join("..", "..", "..", "dapr-config", "gateway.yaml")
	code, out, stderr := command(nil, "gateway", "check", shipped)
	assert.Equal(t, exitOK, code, stderr)
	assert.Equal(t, shipped+": nothing to mend\n", out)
}

func TestWhatIsWrongWithRulesIsToldByLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write("version: 1\nroutes:\n  placeOrder: {budget: 5}\n")
	code, out, stderr := command(nil, "gateway", "check", path)
	assert.Equal(t, exitFailure, code)
	assert.Equal(t, path+":3:24: /routes/placeOrder/budget: want a duration such as 500ms, 30s or 5m\n", out)
	assert.Contains(t, stderr, "has 1 error to mend")

	write("version: 1\nroutes:\n  placeOrder: {budget: 5s}\n  placeOrdr: {}\n")
	code, out, _ = command(nil, "gateway", "check", path)
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, out, path+":4:3: /routes/placeOrdr: is no operation of a contract; did you mean placeOrder?")

	var answer struct {
		File   string        `json:"file"`
		Faults []rules.Fault `json:"faults"`
	}
	code, out, _ = command(nil, "gateway", "check", path, "--json")
	assert.Equal(t, exitFailure, code)
	require.NoError(t, json.Unmarshal([]byte(out), &answer))
	require.Len(t, answer.Faults, 1)
	assert.Equal(t, 4, answer.Faults[0].Line)

	write("version: 1\nservices:\n  pricing: {grpc: {contract: none.yaml, descriptors: none.binpb}}\n")
	code, out, _ = command(nil, "gateway", "check", path)
	assert.Equal(t, exitFailure, code)
	assert.Equal(t, path+":3:54: /services/pricing/grpc/descriptors: there is no file none.binpb\n", out)

	pricing := func(edit *strings.Replacer) string {
		return fmt.Sprintf("{grpc: {contract: %s, descriptors: %s}}", foreigntest.Contract(t, t.TempDir(), "../../inventory", edit), foreigntest.Descriptors(t, t.TempDir()))
	}
	for text, want := range map[string]string{
		"pricing: " + pricing(nil): "/services/pricing: GET /v1/inventory is another service's",
		"pricing: " + pricing(strings.NewReplacer("{sku}", "{good}", "name: sku", "name: good")): "/services/pricing: does not go together with the contracts of the shop",
		"order: " + pricing(nil): "/services/order: is a service of the shop",
	} {
		write("version: 1\nservices:\n  " + text + "\n")
		code, out, _ = command(nil, "gateway", "check", path)
		assert.Equal(t, exitFailure, code)
		assert.Contains(t, out, want)
	}

	code, _, stderr = command(nil, "gateway", "check", path+"x")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, stderr, "there is no file")
	code, _, _ = command(nil, "gateway", "check")
	assert.Equal(t, exitUsage, code)
}
