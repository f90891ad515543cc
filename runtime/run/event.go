package run

import "time"

// EventKind says what happened to a process or to the whole stack.
type EventKind string

// What can happen. Stack events have an empty Process.
const (
	EventStarting EventKind = "starting"
	EventReady    EventKind = "ready"
	EventDied     EventKind = "died"
	EventHeld     EventKind = "held"
	EventGaveUp   EventKind = "gave up"
	EventStopped  EventKind = "stopped"
)

// Event is one thing that happened, told through Options.OnEvent.
type Event struct {
	At      time.Time // UTC
	Kind    EventKind
	Process string // empty for the stack as a whole
	Text    string // one line for a reader, without the process's name
}

// String is the line that a command shows.
func (e Event) String() string {
	if e.Process == "" {
		return e.Text
	}
	return e.Process + " " + e.Text
}
