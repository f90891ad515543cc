package terminal

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/gateway/compress"
)

// shop are rules such as a shop would have: its phone app shows no operator's fields, its mini-program only what a list shows.
const shop = `
ios:
  listOrders: {drop: [/items/*/customer, /items/*/placed_at, /items/*/lines/*/title, /items/*/payment/attempt, /items/*/payment/method]}
  listItems: {drop: [/items/*/received, /items/*/reserved, /items/*/sold, /items/*/version]}
mini:
  listOrders: {keep: [/items/*/id, /items/*/status, /items/*/total/amount, /items/*/pay_by, /next_cursor], rename: {/items/*/total: t}}
  listItems: {keep: [/items/*/sku, /items/*/title, /items/*/price/amount, /items/*/available, /next_cursor], rename: {/items/*/available: left}}
`

// pages are answers of n items, of the length that the contract's usually have.
func pages(n int) map[string][]byte {
	list := func(item func(i int) string) []byte {
		var all []string
		for i := range n {
			all = append(all, item(i))
		}
		return []byte(`{"items":[` + strings.Join(all, ",") + `],"next_cursor":"b2Zmc2V0OjUw"}`)
	}
	return map[string][]byte{
		"listOrders": list(func(i int) string {
			return fmt.Sprintf(`{"id":"%08x-3f1d-5d0a-9c58-%012x","status":"paid","customer":"c-%d","lines":[{"sku":"mug-%d","title":"Mug, glazed, %d ml","quantity":%d,"unit_price":{"amount":%d,"currency":"EUR"}},{"sku":"tea-%d","title":"Tea, %d g","quantity":1,"unit_price":{"amount":%d,"currency":"EUR"}}],"total":{"amount":%d,"currency":"EUR"},"pay_by":"2026-05-04T10:%02d:00.%06dZ","placed_at":"2026-05-04T09:%02d:00.%06dZ","payment":{"method":"card","status":"charged","attempt":1}}`,
				i*2654435761, i*40503*65537, i*7919%100000, i%40, 200+i, 1+i%4, 900+i*31%2000, i%30, 50+i, 300+i*17%700, 2000+i*53%9000, i%60, i*91193%1000000, i*7%60, i*54401%1000000)
		}),
		"listItems": list(func(i int) string {
			return fmt.Sprintf(`{"sku":"mug-%d","title":"Mug, glazed, %d ml","price":{"amount":%d,"currency":"EUR"},"received":%d,"available":%d,"reserved":%d,"sold":%d,"version":%d}`,
				i, 200+i, 900+i*31%2000, 1000+i*37%900, 500+i*13%400, i%9, 400+i*29%300, 20+i*7%90)
		}),
	}
}

// BenchmarkMap is what mapping costs a page of 50, and which part of its bytes a caller still gets: mapped alone, and mapped
// and compressed.
func BenchmarkMap(b *testing.B) {
	m, bad := New(configOf(b, shop), contracts(b, "order", "inventory"), true, nil)
	require.Empty(b, bad)
	c := compress.New(compress.Config{}, nil)
	for operation, body := range pages(50) {
		for _, client := range []string{"web", "ios", "mini"} {
			for _, accept := range []string{"", "gzip", "br", "zstd"} {
				b.Run(operation+"/"+client+"/"+accept, func(b *testing.B) {
					var sent []byte
					h := http.Header{}
					b.SetBytes(int64(len(body)))
					b.ReportAllocs()
					for b.Loop() {
						clear(h)
						h["Content-Type"] = []string{"application/json"}
						sent = c.Encode(h, http.StatusOK, accept, m.Map(h, http.StatusOK, client, operation, body))
					}
					b.ReportMetric(100*float64(len(sent))/float64(len(body)), "%left")
				})
			}
		}
	}
}

// The figures of docs/terminals.md are from BenchmarkMap; this holds what they promise: bytes do not depend on the machine.
func TestWhatTheRulesSave(t *testing.T) {
	m, bad := New(configOf(t, shop), contracts(t, "order", "inventory"), true, nil)
	require.Empty(t, bad)
	c := compress.New(compress.Config{}, nil)
	left := func(client, operation, accept string, body []byte) float64 {
		h := http.Header{"Content-Type": {"application/json"}}
		return 100 * float64(len(c.Encode(h, 200, accept, m.Map(h, 200, client, operation, bytes.Clone(body))))) / float64(len(body))
	}
	for operation, body := range pages(50) {
		for client, want := range map[string][2]float64{"ios": {75, 10}, "mini": {55, 7}} {
			t.Logf("%s %s: %.0f%% of %d bytes are left, %.0f%% with brotli (%.0f%% of what web gets with it)", operation, client,
				left(client, operation, "", body), len(body), left(client, operation, "br", body), 100*left(client, operation, "br", body)/left("web", operation, "br", body))
			require.Less(t, left(client, operation, "", body), want[0])
			require.Less(t, left(client, operation, "br", body), want[1])
		}
	}
}
