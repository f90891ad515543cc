package bench

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/harness"
)

// shopAndSandbox sells orders and keeps text messages, a page at a time as the sandbox does. deliver says whether an order's messages come.
func shopAndSandbox(t *testing.T, deliver func(order string) bool) string {
	t.Helper()
	var mu sync.Mutex
	messages := []string{"Your order old is paid: 1.00 EUR. Thank you."}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/orders", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"status":"awaiting_payment","id":"o-%s"}`, r.Header.Get("Idempotency-Key"))
	})
	mux.HandleFunc("POST /v1/orders/{id}/payment", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		mu.Lock()
		defer mu.Unlock()
		messages = append(messages, "Your order "+id+" over 29.90 EUR is placed.")
		if deliver(id) {
			messages = append(messages, "Your order "+id+" is paid: 29.90 EUR. Thank you.")
		}
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /sms", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var from, limit int
		_, _ = fmt.Sscan(r.FormValue("cursor"), &from)
		_, _ = fmt.Sscan(r.FormValue("limit"), &limit)
		answer := map[string]any{"items": []any{}}
		items := []map[string]string{}
		for _, text := range messages[from:min(from+limit, len(messages))] {
			items = append(items, map[string]string{"text": text})
		}
		answer["items"] = items
		if from+limit < len(messages) {
			answer["next_cursor"] = fmt.Sprint(from + limit)
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func TestASaleEndsWithTheMessageThatItIsPaid(t *testing.T) {
	base := shopAndSandbox(t, func(order string) bool { return !strings.HasSuffix(order, "-7") })
	shoot, done, err := shots(Target{Kind: Sales, Bases: []string{base}, Texts: base, SKUs: []string{"pot", "pan"}, Prefix: "run-", Within: time.Minute}, 4)
	require.NoError(t, err)
	defer done()
	var all sync.WaitGroup
	for client := range 4 {
		all.Go(func() {
			for n := range 60 { // more messages than a page of the inbox has
				assert.Equal(t, Accepted, shoot(client, int64(1000*(client+1)+n)))
			}
		})
	}
	all.Wait()

	shoot, done, err = shots(Target{Kind: Sales, Bases: []string{base}, Texts: base, SKUs: []string{"pot"}, Prefix: "run-", Within: 200 * ms}, 1)
	require.NoError(t, err)
	defer done()
	assert.Equal(t, Unknown, shoot(0, 7), "nobody was told")
}

func TestTheLedgerIsComparedWithWhatCustomersWereTold(t *testing.T) {
	charge := func(order string) harness.Entry { return harness.Entry{Kind: "charge", OrderID: order} }
	told := Tally{Accepted: 2, Unknown: 1}
	require.NoError(t, judgeLedger(told, []harness.Entry{charge("a"), charge("b")}))
	require.NoError(t, judgeLedger(told, []harness.Entry{charge("a"), charge("b"), charge("c")}))
	require.ErrorContains(t, judgeLedger(told, []harness.Entry{charge("a"), charge("b"), charge("a")}), "order a was charged twice")
	require.ErrorContains(t, judgeLedger(told, []harness.Entry{charge("a")}), "1 orders were charged")
	require.ErrorContains(t, judgeLedger(told, []harness.Entry{charge("a"), charge("b"), charge("c"), charge("d")}), "4 orders were charged, but")
	require.ErrorContains(t, judgeLedger(told, []harness.Entry{charge("a"), charge("b"), {Kind: "refund", OrderID: "a"}}), "a refund of order a")
}
