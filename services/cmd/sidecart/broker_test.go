package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const goodBrokers = `{"can_go":true,"missing":[],"items":[{"name":"notify","health":"up","present":"pubsub","next":"pubsub-next","percent":100,
	"publishing":{"published":7,"failed":0,"dropped":0},"follows":[
	{"source":"order","broker":"pubsub","since":"2026-11-20T12:00:00Z","share":100,"delivered":812,"first":800,"doubled":0,"late":0,"missed":2,
	 "last_missed":"order/1/17","last_missed_at":"2026-11-20T12:03:04Z","in_a_row":700},
	{"source":"order","broker":"pubsub-next","since":"2026-11-20T12:00:00Z","share":100,"delivered":813,"first":12,"doubled":1,"late":0,"missed":0,"last_missed":"","in_a_row":812}]}]}`

func gatewaySaying(t *testing.T, status int, contentType, body string) (url string, asked *string) {
	t.Helper()
	asked = new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = r.URL.RequestURI()
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func TestBrokerStatusSaysThatItCanGo(t *testing.T) {
	url, asked := gatewaySaying(t, 200, "application/json", goodBrokers)
	code, out, stderr := command(nil, "broker", "status", "--url", url+"/", "--quiet", "90s", "--segments", "7")
	assert.Equal(t, exitOK, code, stderr)
	assert.Equal(t, "/v1/ops/brokers?quiet_seconds=90&segments=7", *asked)
	assert.Empty(t, stderr)
	lines := strings.Split(out, "\n")
	require.GreaterOrEqual(t, len(lines), 5)
	assert.Equal(t, strings.Fields("service follows broker share delivered first doubled late missed in a row last missed"), strings.Fields(lines[0]))
	assert.Equal(t, strings.Fields("notify order pubsub 100 % 812 800 0 0 2 700 order/1/17 at 12:03:04"), strings.Fields(lines[1]))
	assert.Equal(t, strings.Fields("notify order pubsub-next 100 % 813 12 1 0 0 812 -"), strings.Fields(lines[2]))
	assert.Contains(t, out, "pubsub can go: everything is published on pubsub-next")
	assert.Contains(t, out, "SIDECART_PUBSUB=pubsub-next")

	code, out, _ = command(nil, "broker", "status", "--url", url, "--json")
	assert.Equal(t, exitOK, code)
	assert.JSONEq(t, goodBrokers, out)
}

func TestBrokerStatusSaysWhatIsMissing(t *testing.T) {
	url, _ := gatewaySaying(t, 200, "application/json", `{"can_go":false,"missing":["order does not answer"],"items":[{"name":"order","health":"down","follows":[]}]}`)
	code, out, stderr := command(nil, "broker", "status", "--url", url)
	assert.Equal(t, exitNotYet, code)
	assert.Equal(t, "not yet:\n  - order does not answer\n", out)
	assert.Empty(t, stderr)
	code, _, _ = command(nil, "broker", "status", "--url", url, "--json")
	assert.Equal(t, exitNotYet, code)
}

func TestBrokerStatusShowsItsToken(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer of-olga" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"status":401,"code":"unauthenticated","detail":"this needs an access token"}`))
			return
		}
		_, _ = w.Write([]byte(goodBrokers))
	}))
	t.Cleanup(server.Close)
	code, _, stderr := command(nil, "broker", "status", "--url", server.URL)
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, stderr, "SIDECART_TOKEN")
	code, _, stderr = command(map[string]string{"SIDECART_TOKEN": "of-olga"}, "broker", "status", "--url", server.URL)
	assert.Equal(t, exitOK, code, stderr)
	code, _, stderr = command(map[string]string{"SIDECART_TOKEN": "of-eve"}, "broker", "status", "--url", server.URL)
	assert.Equal(t, exitFailure, code)
	assert.NotContains(t, stderr, "of-eve")
}

func TestBrokerStatusThatCannotBeTold(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	busy, _ := gatewaySaying(t, 503, "application/problem+json", `{"status":503,"code":"overloaded","detail":"the gateway is busy"}`)
	strange, _ := gatewaySaying(t, 200, "text/html", "<html>")
	other, _ := gatewaySaying(t, 200, "application/json", `{"can_go":true}`)
	for want, url := range map[string]string{"it names no service": other, "does not answer": closed.URL, "the gateway is busy": busy, "cannot be read": strange} {
		code, out, stderr := command(nil, "broker", "status", "--url", url)
		assert.Equal(t, exitFailure, code)
		assert.Contains(t, stderr, want)
		assert.Empty(t, out)
	}
	for want, args := range map[string][]string{
		"--url": {"--url", "shop"}, "--quiet": {"--quiet", "25h"}, "--segments": {"--segments", "-1"}, "unknown flag": {"--loud"}, "unknown command": {"now"},
	} {
		code, _, stderr := command(nil, append([]string{"broker", "status"}, args...)...)
		assert.Equal(t, exitUsage, code, stderr)
		assert.Contains(t, stderr, want)
	}
}
