// Package telemetry makes what a process tells about itself: JSON logs that carry the trace id of the request they
// belong to, a metrics registry, and traces that are exported when an OTLP endpoint is configured. It has no state:
// the process makes each part once and hands it on. Nothing in here stops the process from working when whoever
// collects is away: spans are dropped beyond a bound.
package telemetry
