package observability

import (
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/harness"
)

// given is what Prometheus has scraped each minute, in promtool's notation: "0+6x20" grows by 6 twenty times, "_x5" is missing.
type given map[string]string

// alertCase is when an alert must fire and when it must not.
type alertCase struct {
	at     string // when to look
	every  string // between scrapes and looks; a minute if it is not said
	fires  given
	labels map[string]string // of what fires, without its severity
	quiet  given
}

func of(pairs ...string) map[string]string {
	labels := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		labels[pairs[i]] = pairs[i+1]
	}
	return labels
}

const (
	good = `gateway_http_requests_total{route="/v1/orders",method="POST",status="201",version="order"}`
	bad  = `gateway_http_requests_total{route="/v1/orders",method="POST",status="503",version="order"}`
	lag  = `sidecart_follow_lag_segments{service="notify",source="order",own_shard="0",source_shard="0"}`
)

// took are the buckets of a histogram whose observations are all below seconds, or all above it.
func took(name, labels string, slow bool) given {
	low := "0+60x30"
	if slow {
		low = "0x30"
	}
	return given{name + "_bucket{" + labels + `,le="1"}`: low, name + "_bucket{" + labels + `,le="2.5"}`: "0+60x30", name + "_bucket{" + labels + `,le="+Inf"}`: "0+60x30"}
}

// A counter of a service rises, or stays.
func rises(series string) given { return given{series: "0+6x30"} }
func stays(series string) given { return given{series: "7x30"} }

var cases = map[string]alertCase{
	"CustomersAreFailed": {at: "10m", fires: given{good: "0+98x20", bad: "0+2x20"}, quiet: given{good: "0+996x20", bad: "0+4x20"}},
	"RouteIsSlow": {at: "20m", fires: took("gateway_http_request_duration_seconds", `route="/v1/orders"`, true), labels: of("route", "/v1/orders"),
		quiet: took("gateway_http_request_duration_seconds", `route="/v1/orders"`, false)},
	"GatewayRefuses": {at: "12m", fires: given{good: "0+90x20", `gateway_overload_refused_total{reason="full"}`: "0+10x20"},
		quiet: given{good: "0+90x20", `gateway_overload_refused_total{reason="full"}`: "0+1x20", `gateway_overload_refused_total{reason="client"}`: "0+90x20"}},
	"BreakerIsOpen": {at: "8m", fires: given{`gateway_breaker_state{route="placeOrder"}`: "1x10"}, labels: of("route", "placeOrder"),
		quiet: given{`gateway_breaker_state{route="placeOrder"}`: "0 1 0 2 0 0 1 0 0 0 0"}},
	"CanaryFell": {at: "8m", fires: given{`gateway_gray_falls_total{route="placeOrder",stage="canary"}`: "0 0 1 1 1 1 1 1 1 1"},
		labels: of("route", "placeOrder", "stage", "canary"), quiet: stays(`gateway_gray_falls_total{route="placeOrder",stage="canary"}`)},
	"ContractIsRefused": {at: "5m", fires: given{`gateway_contract_refused{of="order"}`: "1x10"}, labels: of("of", "order"), quiet: given{`gateway_contract_refused{of="order"}`: "0x10"}},
	"AnswersBreakTheirContract": {at: "12m", fires: rises(`gateway_answers_checked_total{version="order",result="bad"}`), labels: of("version", "order"),
		quiet: rises(`gateway_answers_checked_total{version="order",result="good"}`)},
	"RulesAreRefused": {at: "5m", fires: given{`gateway_rules_refused`: "1x10"}, quiet: given{`gateway_rules_refused`: "0x10"}},
	"TokensAreRefused": {at: "20m", fires: given{`sidecart_tokens_refused_total{reason="signature"}`: "0+60x30", `sidecart_tokens_accepted_total`: "0+6x30"},
		quiet: given{`sidecart_tokens_refused_total{reason="signature"}`: "0+6x30", `sidecart_tokens_accepted_total`: "0+60x30"}},

	"OutcomesAreUnknown": {at: "10m", fires: rises(`sidecart_journal_outcome_unknown_total{service="order"}`), labels: of("service", "order"),
		quiet: stays(`sidecart_journal_outcome_unknown_total{service="order"}`)},
	"CommitsAreSlow": {at: "15m", fires: took("sidecart_journal_commit_seconds", `service="order"`, true), labels: of("service", "order"),
		quiet: took("sidecart_journal_commit_seconds", `service="order"`, false)},
	"QueueIsLong": {at: "5m", fires: given{`sidecart_journal_queue_commands{service="order",shard="1"}`: "3000x10"}, labels: of("service", "order"),
		quiet: given{`sidecart_journal_queue_commands{service="order",shard="1"}`: "1900x10"}},
	"ReplicasHinderEachOther": {at: "20m", labels: of("service", "order"),
		fires: given{`sidecart_journal_conflicts_total{service="order"}`: "0+60x30", `sidecart_journal_commits_total{service="order"}`: "0+60x30"},
		quiet: given{`sidecart_journal_conflicts_total{service="order"}`: "0+6x30", `sidecart_journal_commits_total{service="order"}`: "0+60x30"}},
	"BrokerTakesNothing": {at: "20m", labels: of("service", "order"),
		fires: given{`sidecart_journal_publish_failures_total{service="order"}`: "0+6x30", `sidecart_journal_publish_dropped_total{service="order"}`: "0x30"},
		quiet: given{`sidecart_journal_publish_failures_total{service="order"}`: "0 6 6 6+0x30", `sidecart_journal_publish_dropped_total{service="order"}`: "0x30"}},
	"NothingIsTrimmed": {at: "52h", every: "1h", labels: of("service", "order"),
		fires: given{`sidecart_journal_trimmed_segments_total{service="order"}`: "5x60", `sidecart_journal_commits_total{service="order"}`: "0+300x60", `process_start_time_seconds`: "0x60"},
		quiet: given{`sidecart_journal_trimmed_segments_total{service="order"}`: "5x60", `sidecart_journal_commits_total{service="order"}`: "0+300x60", `process_start_time_seconds`: "100000x60"}},

	"EffectsAreLost": {at: "3m", fires: given{`sidecart_follow_trimmed_segments_skipped_total{service="payment",source="order"}`: "0 1 1 1"},
		labels: of("service", "payment", "source", "order"), quiet: given{`sidecart_follow_trimmed_segments_skipped_total{service="payment",source="order"}`: "0x5"}},
	"EventsAreParked": {at: "15m", fires: given{`sidecart_follow_parked_events{service="payment",source="order"}`: "2x20"}, labels: of("service", "payment", "source", "order"),
		quiet: given{`sidecart_follow_parked_events{service="payment",source="order"}`: "0 2 2 0x20"}},
	"TimersStandStill": {at: "5m", fires: given{`sidecart_follow_level_age_seconds{service="order",source="payment"}`: "70+60x10"}, labels: of("service", "order", "source", "payment"),
		quiet: given{`sidecart_follow_level_age_seconds{service="order",source="payment"}`: "2x10"}},
	"TimersNeverStarted": {at: "8m", fires: given{lag: "0x10"}, labels: of("service", "notify", "source", "order"),
		quiet: given{lag: "0x10", `sidecart_follow_level_age_seconds{service="notify",source="order"}`: "2x10"}},
	"FollowerIsBehind": {at: "8m", fires: given{lag: "2000x10"}, labels: of("service", "notify", "source", "order"), quiet: given{lag: "900x10"}},
	"SegmentIsMissing": {at: "3m", fires: given{`sidecart_follow_gap_seconds{service="notify",source="order",own_shard="0",source_shard="0"}`: "0 31 91 151"},
		labels: of("service", "notify", "source", "order"), quiet: given{`sidecart_follow_gap_seconds{service="notify",source="order",own_shard="0",source_shard="0"}`: "3x5"}},
	"EffectsAreTriedAgain": {at: "12m", fires: rises(`sidecart_follow_retries_total{service="payment",source="order"}`), labels: of("service", "payment", "source", "order"),
		quiet: stays(`sidecart_follow_retries_total{service="payment",source="order"}`)},
	"EventsAreUnknown": {at: "12m", fires: rises(`sidecart_follow_unknown_events_total{service="payment",source="order"}`), labels: of("service", "payment", "source", "order"),
		quiet: stays(`sidecart_follow_unknown_events_total{service="payment",source="order"}`)},
	"EventsAreNotTaken": {at: "12m", fires: rises(`sidecart_host_events_total{broker="pubsub",topic="order",outcome="unreadable"}`),
		labels: of("broker", "pubsub", "topic", "order", "outcome", "unreadable"), quiet: rises(`sidecart_host_events_total{broker="pubsub",topic="order",outcome="delivered"}`)},
	"EventsNearbyAreNotTaken": {at: "12m", fires: rises(`sidecart_host_nearby_events_total{topic="order",outcome="panicked"}`),
		labels: of("topic", "order", "outcome", "panicked"), quiet: rises(`sidecart_host_nearby_events_total{topic="order",outcome="delivered"}`)},
	"BrokerMisses": {at: "12m", fires: rises(`sidecart_delivery_segments{source="order",broker="next",what="missed"}`), labels: of("source", "order", "broker", "next"),
		quiet: rises(`sidecart_delivery_segments{source="order",broker="next",what="late"}`)},

	"WorkIsParked": {at: "15m", fires: given{`sidecart_tasks_parked{service="payment",channel="provider"}`: "1x20"}, labels: of("service", "payment", "channel", "provider"),
		quiet: given{`sidecart_tasks_parked{service="payment",channel="provider"}`: "0x20"}},
	"OutsideWorldFails": {at: "12m", fires: rises(`sidecart_task_execution_seconds_count{service="notify",channel="email",result="try_again"}`), labels: of("service", "notify", "channel", "email"),
		quiet: rises(`sidecart_task_execution_seconds_count{service="notify",channel="email",result="recorded"}`)},
	"EffectsPileUp": {at: "25m", fires: given{`sidecart_tasks_open{service="notify",channel="email"}`: "200+10x30"}, labels: of("service", "notify", "channel", "email"),
		quiet: given{`sidecart_tasks_open{service="notify",channel="email"}`: "400-10x30"}},
	"FinishedOrdersStay": {at: "20m", fires: rises(`sidecart_archive_failed_rounds_total{service="order"}`), labels: of("service", "order"),
		quiet: stays(`sidecart_archive_failed_rounds_total{service="order"}`)},

	"ProcessIsAway": {at: "5m", fires: given{`up{instance="a"}`: "1 0x9"}, labels: of("instance", "a"), quiet: given{`up{instance="a"}`: "1x9"}},
	"ProcessEndsOverAndOver": {at: "10m", fires: given{`process_start_time_seconds{instance="a"}`: "0 100 200 300 400 400 400 400 400 400 400"}, labels: of("instance", "a"),
		quiet: given{`process_start_time_seconds{instance="a"}`: "0 0 200 200 200 200 200 200 200 200 200"}},
	"ProcessIsNotReady": {at: "8m", fires: given{`sidecart_ready{instance="a",service="host"}`: "0x10"}, labels: of("instance", "a"),
		quiet: given{`sidecart_ready{instance="a",service="host"}`: "0 0 1x9"}},
	"ProcessIsInDanger": {at: "8m", fires: given{`sidecart_process_unhealthy{instance="a",service="host"}`: "1x10"}, labels: of("instance", "a"),
		quiet: given{`sidecart_process_unhealthy{instance="a",service="host"}`: "0x10"}},
	"ProcessIsStrained": {at: "20m", fires: given{`sidecart_process_level{instance="a",service="host",signal="cpu"}`: "1x30"}, labels: of("instance", "a", "signal", "cpu"),
		quiet: given{`sidecart_process_level{instance="a",service="host",signal="cpu"}`: "0x30"}},
}

func TestEveryAlertHasCasesAndARow(t *testing.T) {
	alerts, err := Alerts()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "alerts.md"))
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, a := range alerts {
		assert.False(t, seen[a.Name], "%s is there twice", a.Name)
		seen[a.Name] = true
		c, ok := cases[a.Name]
		assert.True(t, ok && len(c.fires) > 0 && len(c.quiet) > 0, "%s has no case that fires it and one that does not", a.Name)
		assert.Equal(t, 1, strings.Count(string(text), "`"+a.Name+"`"), "%s must have one row in docs/alerts.md", a.Name)
		assert.Contains(t, []string{"page", "ticket"}, a.Labels["severity"], a.Name)
		assert.NotEmpty(t, a.Annotations["summary"], a.Name)
	}
	for name := range cases {
		assert.True(t, seen[name], "a case for %s, which is no alert", name)
	}
}

// promtool runs it; without it the test is skipped.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool: the rules are not played here; scripts/servers installs it")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	require.NoError(t, err, "promtool %s\n%s", strings.Join(args, " "), out)
}

func TestRulesCanBeRead(t *testing.T) { promtool(t, "check", "rules", RulesFile()) }

type (
	series struct {
		Series string `json:"series"`
		Values string `json:"values"`
	}
	expected struct {
		Labels      map[string]string `json:"exp_labels"`
		Annotations map[string]string `json:"exp_annotations"`
	}
	ruleTest struct {
		At     string     `json:"eval_time"`
		Alert  string     `json:"alertname"`
		Expect []expected `json:"exp_alerts"`
	}
	group struct {
		Interval string     `json:"interval"`
		Series   []series   `json:"input_series"`
		Tests    []ruleTest `json:"alert_rule_test"`
	}
)

func groupOf(in given, every string, test ruleTest) group {
	g := group{Interval: every, Tests: []ruleTest{test}}
	for name, values := range in {
		g.Series = append(g.Series, series{name, values})
	}
	return g
}

// Each alert fires when it should, with the labels that lead to what is wrong, and does not when it should not. What promtool says of a
// mistake names the alert.
func TestAlertsFireAndKeepQuiet(t *testing.T) {
	alerts, err := Alerts()
	require.NoError(t, err)
	groups := map[string][]group{} // by their interval, which is one for a file
	for _, a := range alerts {
		c := cases[a.Name]
		every := cmp.Or(c.every, "1m")
		labels := map[string]string{"severity": a.Labels["severity"]}
		maps.Copy(labels, c.labels)
		groups[every] = append(groups[every],
			groupOf(c.fires, every, ruleTest{c.at, a.Name, []expected{{labels, a.Annotations}}}),
			groupOf(c.quiet, every, ruleTest{c.at, a.Name, []expected{}}))
	}
	for every, of := range groups {
		text, err := json.Marshal(map[string]any{"rule_files": []string{RulesFile()}, "evaluation_interval": every, "tests": of}) // JSON is YAML
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "test.yaml")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		promtool(t, "test", "rules", path)
	}
}
