package observability

import "fmt"

// quantile is a quantile of a histogram's last minutes, by labels.
func quantile(q float64, name, matchers, by string) string {
	return fmt.Sprintf("histogram_quantile(%g, sum by (%s, le) (rate(%s_bucket{%s}[$__rate_interval])))", q, by, name, matchers)
}

// rate is what a counter grows by each second, by labels.
func rate(name, matchers, by string) string {
	return fmt.Sprintf("sum by (%s) (rate(%s{%s}[$__rate_interval]))", by, name, matchers)
}

// Dashboards are all pages.
func Dashboards() []Dashboard { return []Dashboard{shop, service, process} }

const (
	requestSeconds = "gateway_http_request_duration_seconds"
	requests       = "gateway_http_requests_total"
)

var shop = Dashboard{
	Name: "shop", Title: "sidecart: shop", About: "What customers get, and what waits for a person. Begin here.",
	Rows: []Row{
		{"Can customers buy?", []Panel{
			{"Requests", "By route.", "reqps", []Query{{rate(requests, "", "route"), "{{route}}"}}},
			{"Failed", "Share of answers that are 5xx; an alarm from 1 %.", "percentunit",
				[]Query{{`sum(rate(` + requests + `{status=~"5.."}[$__rate_interval])) / sum(rate(` + requests + `[$__rate_interval]))`, "5xx"},
					{`sum by (status) (rate(` + requests + `{status=~"4.."}[$__rate_interval])) / on () group_left sum(rate(` + requests + `[$__rate_interval]))`, "{{status}}"}}},
			{"Time, 99 of 100", "By route; an alarm from 1 s.", "s", []Query{{quantile(0.99, requestSeconds, "", "route"), "{{route}}"}}},
			{"Time, every second one", "By route.", "s", []Query{{quantile(0.5, requestSeconds, "", "route"), "{{route}}"}}},
			{"Under way", "By listener. High while the processor is idle: the store or its sidecar.", "short", []Query{{"sum by (listener) (http_requests_in_flight)", "{{listener}}"}}},
			{"Refused", "Because there are too many, by reason.", "reqps", []Query{{rate("gateway_overload_refused_total", "", "reason"), "{{reason}}"}}},
		}},
		{"Releases side by side", []Panel{
			{"Requests by who answered", "An app's id: stable, or the release beside it.", "reqps", []Query{{rate(requests, "", "version"), "{{version}}"}}},
			{"Failed by who answered", "5xx.", "reqps", []Query{{rate(requests, `status=~"5.."`, "version"), "{{version}}"}}},
			{"Time by who answered, 99 of 100", "", "s", []Query{{quantile(0.99, requestSeconds, "", "version"), "{{version}}"}}},
			{"Traffic of releases", "The part of its configured traffic that a stage gets: below 1 it did worse than stable.", "percentunit", []Query{{"min by (route, stage) (gateway_gray_share)", "{{route}} {{stage}}"}}},
			{"Traffic lost", "Stages that did worse than stable.", "short", []Query{{"sum by (route, stage) (increase(gateway_gray_falls_total[$__rate_interval]))", "{{route}} {{stage}}"}}},
			{"Fallbacks", "Answers in a service's place.", "reqps", []Query{{rate("gateway_fallback_answers_total", "", "route, kind"), "{{route}} {{kind}}"}}},
			{"Breakers", "0 closed, 1 open, 2 half-open.", "short", []Query{{"max by (route) (gateway_breaker_state)", "{{route}}"}}},
			{"Room at a service", "Requests in flight to it, and how many may be: the gateway's adaptive limit.", "short", []Query{
				{"sum by (target) (gateway_overload_in_flight)", "{{target}} in flight"}, {"sum by (target) (gateway_overload_limit)", "{{target}} at most"}}},
		}},
		{"What is owed", []Panel{
			{"Effects that are open", "Charges and messages. Every replica shows all, so the largest counts.", "short", []Query{{"max by (service, channel) (sidecart_tasks_open)", "{{service}} {{channel}}"}}},
			{"Parked", "Waits for a person.", "short", []Query{{"max by (service, channel) (sidecart_tasks_parked)", "{{service}} {{channel}}"},
				{"max by (service, source) (sidecart_follow_parked_events)", "{{service}} of {{source}}"}}},
			{"Followers behind", "Segments.", "short", []Query{{"max by (service, source) (sidecart_follow_lag_segments)", "{{service}} of {{source}}"}}},
		}},
	},
}

var service = Dashboard{
	Name: "service", Title: "sidecart: service", About: "One service from its requests to its store.",
	Variables: []Variable{{"service", "service", "sidecart_journal_commits_total"}},
	Rows: []Row{
		{"Commits", []Panel{
			{"Segments", "Committed.", "ops", []Query{{rate("sidecart_journal_commits_total", `service=~"$service"`, "service"), "{{service}}"}}},
			{"Time of a commit", "From taking a batch; an alarm from 1 s.", "s", []Query{
				{quantile(0.99, "sidecart_journal_commit_seconds", `service=~"$service"`, "service"), "{{service}} 99 of 100"},
				{quantile(0.5, "sidecart_journal_commit_seconds", `service=~"$service"`, "service"), "{{service}} every second one"}}},
			{"Shards that are busy", "How many shards commit at a time, on the average: at the number of shards the service is at its end.", "short",
				[]Query{{rate("sidecart_journal_commit_seconds_sum", `service=~"$service"`, "service"), "{{service}}"}}},
			{"Commands in a batch", "The mean. It grows with the load.", "short", []Query{{`sum by (service) (rate(sidecart_journal_batch_commands_sum{service=~"$service"}[$__rate_interval])) / sum by (service) (rate(sidecart_journal_batch_commands_count{service=~"$service"}[$__rate_interval]))`, "{{service}}"}}},
			{"Commands that wait", "By shard; refused at 4096.", "short", []Query{{`max by (service, shard) (sidecart_journal_queue_commands{service=~"$service"})`, "{{service}} {{shard}}"}}},
			{"Trouble with the store", "", "ops", []Query{
				{rate("sidecart_journal_conflicts_total", `service=~"$service"`, "service"), "{{service}}: another replica was first"},
				{rate("sidecart_journal_ambiguous_total", `service=~"$service"`, "service"), "{{service}}: settled by reading back"},
				{rate("sidecart_journal_outcome_unknown_total", `service=~"$service"`, "service"), "{{service}}: not settled, 503"}}},
		}},
		{"Following", []Panel{
			{"Behind", "Segments, by source.", "short", []Query{{`max by (service, source) (sidecart_follow_lag_segments{service=~"$service"})`, "{{service}} of {{source}}"}}},
			{"Level", "Age of the instant up to which all is applied; an alarm from 60 s.", "s", []Query{{`max by (service, source) (sidecart_follow_level_age_seconds{service=~"$service"})`, "{{service}} of {{source}}"}}},
			{"Trouble", "", "ops", []Query{
				{rate("sidecart_follow_retries_total", `service=~"$service"`, "service, source"), "{{service}} of {{source}}: tried again"},
				{rate("sidecart_follow_pulls_total", `service=~"$service"`, "service, source"), "{{service}} of {{source}}: asked for segments"},
				{rate("sidecart_journal_publish_failures_total", `service=~"$service"`, "service"), "{{service}}: not published"}}},
		}},
		{"Effects and memory", []Panel{
			{"Effects", "By what came of them.", "ops", []Query{{rate("sidecart_task_execution_seconds_count", `service=~"$service"`, "service, channel, result"), "{{channel}} {{result}}"}}},
			{"Time of an effect, 99 of 100", "", "s", []Query{{quantile(0.99, "sidecart_task_execution_seconds", `service=~"$service"`, "service, channel"), "{{service}} {{channel}}"}}},
			{"Orders that left memory", "", "ops", []Query{{rate("sidecart_archive_archived_total", `service=~"$service"`, "service"), "{{service}}"}}},
		}},
		{"Requests", []Panel{
			{"By route", "Calls of other services among them.", "reqps", []Query{{rate("http_request_duration_seconds_count", `listener="app",route=~"/($service)/.*"`, "route"), "{{route}}"}}},
			{"Failed", "5xx by route.", "reqps", []Query{{rate("http_request_duration_seconds_count", `listener="app",status=~"5..",route=~"/($service)/.*"`, "route"), "{{route}}"}}},
			{"Time, 99 of 100", "", "s", []Query{{quantile(0.99, "http_request_duration_seconds", `listener="app",route=~"/($service)/.*"`, "route"), "{{route}}"}}},
		}},
	},
}

var process = Dashboard{
	Name: "process", Title: "sidecart: process", About: "What the processes use of the machine.",
	Variables: []Variable{{"instance", "instance", "sidecart_build_info"}},
	Rows: []Row{
		{"Signals", []Panel{
			{"CPU", "Share of the processors that it may use: warning 0.80, danger 0.95.", "percentunit", []Query{{`sidecart_process_signal{signal="cpu",instance=~"$instance"}`, "{{instance}}"}}},
			{"Memory", "Share of the memory that it may use: warning 0.80, danger 0.92.", "percentunit", []Query{{`sidecart_process_signal{signal="memory",instance=~"$instance"}`, "{{instance}}"}}},
			{"Longest pause", "For garbage collection: warning 20 ms, danger 100 ms.", "s", []Query{{`sidecart_process_signal{signal="gc_pause",instance=~"$instance"}`, "{{instance}}"}}},
			{"Goroutines", "Warning 20,000, danger 100,000.", "short", []Query{{`sidecart_process_signal{signal="goroutines",instance=~"$instance"}`, "{{instance}}"}}},
			{"Levels", "0 fine, 1 warning, 2 danger.", "short", []Query{{`max by (instance, signal) (sidecart_process_level{instance=~"$instance"})`, "{{instance}} {{signal}}"}}},
			{"Ready", "1: it does all of its work.", "short", []Query{{`max by (instance) (sidecart_ready{instance=~"$instance"})`, "{{instance}}"}}},
		}},
		{"Memory and garbage", []Panel{
			{"Resident", "", "bytes", []Query{{`process_resident_memory_bytes{instance=~"$instance"}`, "{{instance}}"}}},
			{"Heap in use", "", "bytes", []Query{{`go_memstats_heap_inuse_bytes{instance=~"$instance"}`, "{{instance}}"}}},
			{"Collections", "Each second.", "ops", []Query{{`rate(go_gc_duration_seconds_count{instance=~"$instance"}[$__rate_interval])`, "{{instance}}"}}},
			{"Open files", "Connections among them.", "short", []Query{{`process_open_fds{instance=~"$instance"}`, "{{instance}}"}}},
			{"Started", "Age of the process; what falls to nothing was started anew.", "s", []Query{{`time() - process_start_time_seconds{instance=~"$instance"}`, "{{instance}}"}}},
			{"Release", "", "short", []Query{{`count by (version) (sidecart_build_info{instance=~"$instance"})`, "{{version}}"}}},
		}},
	},
}

// Queries are those of all panels of all dashboards.
func Queries() []string {
	var all []string
	for _, d := range Dashboards() {
		for _, row := range d.Rows {
			for _, p := range row.Panels {
				for _, q := range p.Queries {
					all = append(all, q.Expr)
				}
			}
		}
	}
	return all
}
