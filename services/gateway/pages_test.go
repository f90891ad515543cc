package gateway

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/gateway/contracts"
)

func TestMergeRenamesWhatDiffersAndSharesWhatIsTheSame(t *testing.T) {
	s := gatewayOf(t, &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil), "bank": stub(bank, nil)}}, nil)
	w := ask(s, "GET", "/openapi.json", "")
	require.Equal(t, 200, w.Code)
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	for _, name := range []string{"Thing", "Part", "Same", "BankThing", "BankPart"} {
		assert.Contains(t, doc.Components.Schemas, name)
	}
	assert.NotContains(t, doc.Components.Schemas, "BankSame")
	assert.NotContains(t, doc.Components.Schemas, "ShopThing")
	bill := doc.Paths.Value("/v1/things/{thing}/bill").Get
	assert.Equal(t, "bankGetThing", bill.OperationID)
	schema := bill.Responses.Value("200").Value.Content["application/json"].Schema
	assert.Equal(t, "#/components/schemas/BankThing", schema.Ref)
	assert.Equal(t, "#/components/schemas/BankPart", schema.Value.Properties["example"].Ref)
	assert.Contains(t, schema.Value.Properties["example"].Value.Properties, "other")
	assert.Len(t, doc.Paths.Value("/v1/things/{id}").Get.Parameters, 1, "a path's own parameters belong to its operations")

	again := ask(s, "GET", "/openapi.json", "", "If-None-Match", w.Header().Get("ETag"))
	assert.Equal(t, 304, again.Code)
	assert.Empty(t, again.Body.String())
	assert.Equal(t, 200, ask(s, "GET", "/openapi.json", "", "If-None-Match", `"other"`).Code)
}

func TestTheFirstContractKeepsAnOperationThatTwoHave(t *testing.T) {
	second := strings.ReplaceAll(shop, "Shop", "Copy")
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil), "bank": stub(second, nil)}}
	s := gatewayOf(t, u, nil)
	assert.Len(t, s.book.Set().Twice, 5)
	ask(s, "GET", "/v1/things", "")
	assert.Equal(t, "shop", u.seen[0].URL.Host)
}

func TestThePagesForPeople(t *testing.T) {
	s := gatewayOf(t, &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil), "bank": stub(bank, nil)}}, nil)
	w := ask(s, "GET", "/docs", "")
	require.Equal(t, 200, w.Code)
	page := w.Body.String()
	assert.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
	for _, part := range []string{"/v1/things/{id}", "listThings", "/v1/ops/services", "curl -sS -X POST", "name"} {
		assert.Contains(t, page, part)
	}
	for _, outside := range []string{"<script", "src=", "@import", "url("} {
		assert.NotContains(t, page, outside)
	}
	w = ask(s, "GET", "/", "", "Accept", "text/html,*/*")
	assert.Contains(t, w.Body.String(), `href="/docs"`)
	w = ask(s, "GET", "/", "")
	assert.Contains(t, w.Body.String(), `"/openapi.json"`)
}

func TestTheRealContractsGoTogether(t *testing.T) {
	list := []*contracts.Contract{}
	own, err := contracts.Read(Name, contract)
	require.NoError(t, err)
	list = append(list, own)
	for _, name := range []string{"account", "inventory", "order", "payment", "notify"} {
		raw, err := os.ReadFile("../" + name + "/openapi.yaml")
		if os.IsNotExist(err) {
			continue // a service without a public part
		}
		require.NoError(t, err)
		c, err := contracts.Read(name, raw)
		require.NoError(t, err)
		list = append(list, c)
	}
	set, err := contracts.NewSet(list, nil, nil, Config{}.withDefaults().base())
	require.NoError(t, err)
	assert.Empty(t, set.Twice)
	if dir := os.Getenv("SIDECART_DOCS_OUT"); dir != "" {
		require.NoError(t, os.WriteFile(dir+"/docs.html", set.Page.Body.Plain(), 0o600))
		require.NoError(t, os.WriteFile(dir+"/openapi.json", set.OpenAPI.Body.Plain(), 0o600))
	}
}

func TestTheOwnContractHasAHandlerForEachOperation(t *testing.T) {
	s := gatewayOf(t, &upstreams{}, nil)
	e := echo.New()
	s.Register(e.Group("/gateway"))
	assert.Len(t, e.Routes(), len(s.local))
	for _, o := range s.own.Operations() {
		assert.NotNil(t, s.local[o.ID], o.ID)
	}
	assert.Equal(t, Name, s.Name())
	assert.Empty(t, s.Follows())
	assert.NotEmpty(t, s.Contract())
}
