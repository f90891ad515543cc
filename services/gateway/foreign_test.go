package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/sidecart/sidecart/services/gateway/foreign"
	"github.com/sidecart/sidecart/services/gateway/foreign/foreigntest"
	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/sidecar/daprd"
)

// beside is a gateway.yaml that names the service shelf, and more.
func beside(contract, descriptors, more string) string {
	return fmt.Sprintf("version: 1\nservices: {shelf: {grpc: {contract: %s, descriptors: %s}}}\n%s", contract, descriptors, more)
}

// besideShelf is a gateway of the shop, and of a service that speaks gRPC and is reached by conn.
func besideShelf(t *testing.T, conn foreign.Conn, more string) (s *Service, path, contract, descriptors string) {
	dir := t.TempDir()
	contract, descriptors = foreigntest.Contract(t, dir, "../inventory", nil), foreigntest.Descriptors(t, dir)
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}
	path = filepath.Join(dir, "gateway.yaml")
	write(t, path, beside(contract, descriptors, more))
	return gatewayBeside(t, u, conn, func(c *Config) { c.RulesPath = path }), path, contract, descriptors
}

func write(t *testing.T, path, text string) {
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// TestAServiceThatSpeaksGRPCIsBehindTheSameDoor: who calls it, with what, and which release of it is asked is decided as for any other.
func TestAServiceThatSpeaksGRPCIsBehindTheSameDoor(t *testing.T) {
	conn := foreigntest.Dial(t)
	var apps []string
	s, _, _, _ := besideShelf(t, func(app string) grpc.ClientConnInterface {
		apps = append(apps, app)
		return conn
	}, `routes: {getItem: {gray: {canary: {app: shelf-canary, version: 1.1.0, weight: 0}}}}
screens: {shelf: {path: 'shelf/{sku}', parts: {item: {operation: getItem, path: {sku: '{sku}'}}, things: {operation: listThings}}}}
`)
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	w := ask(s, "GET", "/v1/inventory/mug", "", "Traceparent", parent, "Sidecart-Subject", "eve", "Dapr-App-Id", "elsewhere")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	assert.Contains(t, w.Body.String(), `"title":"olga 00-4bf92f3577b34da6a3ce929d0e0e4736-`)
	ask(s, "GET", "/v1/inventory/mug", "", "X-Release-Stage", "canary")
	assert.Equal(t, []string{"shelf", "shelf-canary"}, apps)
	problem(t, ask(s, "GET", "/v1/inventory/none", ""), 404, errs.CodeNotFound)
	problem(t, ask(s, "GET", "/v1/inventory/mug?color=red", ""), 400, errs.CodeInvalidRequest)
	problem(t, ask(s, "POST", "/v1/inventory/mug/restock", `{"id":"d","quantity":-1}`), 400, errs.CodeInvalidRequest)
	assert.Contains(t, ask(s, "POST", "/v1/inventory/mug/restock", `{"id":"d","quantity":7}`).Body.String(), `"available":7`)
	problem(t, ask(s, "GET", "/v1/inventory", ""), 500, errs.CodeInternal) // the contract has it and the service not
	assert.Contains(t, ask(s, "GET", "/v1/screens/shelf/mug", "").Body.String(), `"item":{"sku":"mug"`)
	assert.Contains(t, ask(s, "GET", "/openapi.json", "").Body.String(), "/v1/inventory/{sku}/restock")
	assert.Contains(t, ask(s, "GET", "/v1/ops/contracts", "").Body.String(), `"service":"shelf","state":"current","version":"1.0.0"`)
	assert.Equal(t, http.StatusOK, ask(s, "GET", "/v1/things", "").Code, "the others are reached as before")

	asked := len(apps)
	as(s, identity.Nobody())
	problem(t, ask(s, "POST", "/v1/inventory/mug/restock", `{"id":"d","quantity":7}`), 401, errs.CodeUnauthenticated)
	assert.Len(t, apps, asked)
}

// TestServicesOfOthersChangeWhole: what is bad is refused with its place and changes nothing; what is good is in use at once, also where
// only a file that gateway.yaml names has changed.
func TestServicesOfOthersChangeWhole(t *testing.T) {
	conn := foreigntest.Dial(t)
	s, path, contract, descriptors := besideShelf(t, func(string) grpc.ClientConnInterface { return conn }, "")
	running := runIt(t, s)
	defer running()
	refused := func(change func(), place, says string) {
		change()
		s.Reload()
		require.Eventually(t, func() bool {
			r := s.rules.Status().Refused
			return r != nil && r.Faults[0].Path == place && strings.Contains(r.Faults[0].Message, says)
		}, 10*time.Second, time.Millisecond, "%s %s", place, says)
		assert.Equal(t, http.StatusOK, ask(s, "GET", "/v1/inventory/mug", "").Code, "what was in use stays")
	}
	good := func(change func()) {
		change()
		s.Reload()
		require.Eventually(t, func() bool { return s.rules.Status().Refused == nil }, 10*time.Second, time.Millisecond)
	}
	whole, err := os.ReadFile(descriptors)
	require.NoError(t, err)
	text, err := os.ReadFile(contract)
	require.NoError(t, err)
	refused(func() { write(t, descriptors, "broken") }, "/services/shelf/grpc/descriptors", "is no descriptor set")
	good(func() { write(t, descriptors, string(whole)) })
	refused(func() { write(t, path, "version: 1\nservices: {shop: {grpc: {contract: a, descriptors: b}}}\n") }, "/services/shop", "tells its contract itself")
	refused(func() { write(t, path, "version: 1\nservices: {gateway: {grpc: {contract: a, descriptors: b}}}\n") }, "/services/gateway", "tells its contract itself")
	refused(func() {
		write(t, path, fmt.Sprintf("version: 1\nservices:\n  shelf: {grpc: {contract: %s, descriptors: %s}}\n  twin: {grpc: {contract: %s, descriptors: %s}}\n", contract, descriptors, contract, descriptors))
	}, "/services/twin", "another service's")
	good(func() { write(t, path, beside(contract, descriptors, "")) })
	refused(func() {
		write(t, contract, strings.Replace(string(text), "operationId: getItem", "operationId: getThing", 1))
	},
		"/services/shelf", `the operationId "getThing" is another service's`)

	write(t, contract, strings.Replace(string(text), "x-roles: [anyone]\n      security: []\n      tags: [inventory]\n      summary: The stock of one SKU", "x-roles: [service]\n      tags: [inventory]\n      summary: The stock of one SKU", 1))
	s.Reload()
	require.Eventually(t, func() bool { return ask(s, "GET", "/v1/inventory/mug", "").Code == http.StatusForbidden }, 10*time.Second, time.Millisecond)
	write(t, path, "version: 1\n")
	s.Reload()
	require.Eventually(t, func() bool { return ask(s, "GET", "/v1/inventory/mug", "").Code == http.StatusNotFound }, 10*time.Second, time.Millisecond)
}

func TestWithoutASidecarThereAreNoServicesOfOthers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.yaml")
	write(t, path, beside(foreigntest.Contract(t, dir, "../inventory", nil), foreigntest.Descriptors(t, dir), ""))
	_, err := New(Config{Address: "127.0.0.1:0", RulesPath: path, Services: []string{"shop"}}, host.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Client: &http.Client{}})
	require.ErrorContains(t, err, "/services: are reached through a sidecar, and there is none")
}

// TestAServiceThatSpeaksGRPCIsReachedThroughSidecars has real sidecars between the gateway and the service.
func TestAServiceThatSpeaksGRPCIsReachedThroughSidecars(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts two sidecars")
	}
	binary, err := daprd.Find("../../.bin/daprd")
	if err != nil {
		t.Skip("no .bin/daprd: build it with scripts/up or scripts/test")
	}
	names := t.TempDir() + "/names.db"
	start := func(c daprd.Config) *daprd.Process {
		c.Binary, c.Set, c.Names = binary, "../../components/embedded", names
		p, err := daprd.Start(t.Context(), c)
		require.NoError(t, err)
		t.Cleanup(p.Stop)
		return p
	}
	ours := start(daprd.Config{AppID: Name})
	s, _, _, _ := besideShelf(t, ours.App, "")
	problem(t, ask(s, "GET", "/v1/inventory/mug", ""), 503, errs.CodeUnavailable) // there is no such app yet
	problem(t, ask(s, "POST", "/v1/inventory/mug/restock", `{"id":"d","quantity":7}`), 503, errs.CodeOutcomeUnknown)

	start(daprd.Config{AppID: "shelf", AppPort: foreigntest.Listen(t), AppProtocol: "grpc"})
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	w := ask(s, "GET", "/v1/inventory/mug", "", "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	assert.Contains(t, w.Body.String(), `"available":3`)
	assert.Contains(t, w.Body.String(), `"title":"olga 00-`+trace, "who asks, and for what trace")
	problem(t, ask(s, "GET", "/v1/inventory/none", ""), 404, errs.CodeNotFound)
	assert.Contains(t, ask(s, "POST", "/v1/inventory/mug/restock", `{"id":"d","quantity":7}`).Body.String(), `"available":7`)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Error(t, ours.App("shelf").Invoke(ctx, "/x/y", nil, nil))
}
