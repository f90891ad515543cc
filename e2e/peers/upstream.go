package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/sidecart/sidecart/services/kit/identity"
)

// Bytes of what goes through a door.
const (
	orderBytes  = 250
	answerBytes = 600
)

// The upstream's answer, an order as its contract has it: the idempotency key stands for the customer, so that who asked can see that
// the answer is its own, and the title is as long as it takes.
const (
	answerHead = `{"id":"0b8e6a52-3f1d-5d0a-9c58-7f6f2f0f4f3e","status":"awaiting_payment","customer":"`
	answerMid  = `","lines":[{"sku":"moka-pot-0000","title":"`
	answerTail = `","quantity":1,"unit_price":{"amount":2990,"currency":"EUR"}}],"total":{"amount":2990,"currency":"EUR"},` +
		`"pay_by":"2026-05-04T10:15:00Z","placed_at":"2026-05-04T10:00:00Z"}`
)

// upstream is what stands behind a door: the contracts of all services, account's keys, and orders that are counted and answered at
// once. Its books have the units that were put less one for each order. Safe for concurrent use.
type upstream struct {
	contracts string // folder with {service}/openapi.yaml
	public    []byte // key set

	mu    sync.Mutex
	books books
}

// newUpstream wants BENCH_CONTRACTS and BENCH_KEYS, the file that it writes the private key set to by which tokens are to be signed.
func newUpstream() (http.Handler, error) {
	private, err := identity.NewKeys(rand.Reader)
	if err != nil {
		return nil, err
	}
	keys, err := identity.ParseKeys(private)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(os.Getenv("BENCH_KEYS"), private, 0o600); err != nil {
		return nil, fmt.Errorf("BENCH_KEYS: %w", err)
	}
	u := &upstream{contracts: os.Getenv("BENCH_CONTRACTS"), public: keys.Public()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /openapi.yaml", u.contract)
	mux.HandleFunc("GET /v1/accounts/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(u.public) })
	mux.HandleFunc("GET /internal/revoked", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"sessions":[]}`) })
	mux.HandleFunc("POST /v1/orders", u.order)
	mux.HandleFunc("PUT /inventory/v1/inventory/{sku}", u.put)
	mux.HandleFunc("GET /inventory/v1/inventory/{sku}", u.show)
	return mux, nil
}

var serviceName = regexp.MustCompile(`^[a-z]+$`)

// contract serves that of the service that is asked.
func (u *upstream) contract(w http.ResponseWriter, r *http.Request) {
	if !serviceName.MatchString(r.Host) {
		http.NotFound(w, r)
		return
	}
	http.ServeFile(w, r, filepath.Join(u.contracts, r.Host, "openapi.yaml"))
}

func (u *upstream) order(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, orderBytes+1))
	key := r.Header.Get("Idempotency-Key")
	title := answerBytes - len(answerHead) - len(key) - len(answerMid) - len(answerTail)
	if err != nil || len(body) != orderBytes || key == "" || title < 0 {
		http.Error(w, "not what the load sends", http.StatusBadRequest)
		return
	}
	u.mu.Lock()
	u.books.Available--
	u.books.Reserved++
	u.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/v1/orders/0b8e6a52-3f1d-5d0a-9c58-7f6f2f0f4f3e")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answerHead+key+answerMid+strings.Repeat("x", title)+answerTail)
}

func (u *upstream) put(w http.ResponseWriter, r *http.Request) {
	var p struct {
		Quantity int64 `json:"quantity"`
	}
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.books = books{SKU: r.PathValue("sku"), Received: p.Quantity, Available: p.Quantity}
	w.WriteHeader(http.StatusCreated)
}

func (u *upstream) show(w http.ResponseWriter, _ *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(u.books) // who is gone does not read it
}
