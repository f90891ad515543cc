// Package observability holds what people look at and are woken by: the dashboards of observability/dashboards, which are made here
// (`go run ./cmd/dashboards` writes them), and the tests of the alert rules in observability/alerts.
//
// promtool, of Debian's package prometheus, says whether rules and the queries of panels can be read, and plays the cases that fire each
// alert and that do not. Without it those tests are skipped and say so. That every metric named in either is really told by a shop is a
// test of e2e (metrics_test.go), which has a shop to ask.
package observability
