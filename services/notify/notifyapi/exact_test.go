package notifyapi_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
)

// TestQueuedIsExact, and what else writes itself, with any text, number and time, also those that are left out.
func TestQueuedIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return rapid.String().Draw(t, name) }
		number := func(name string) int { return rapid.Int().Draw(t, name) }
		at := func(name string) time.Time {
			if rapid.Bool().Draw(t, name+" is zero") {
				return time.Time{}
			}
			return time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(t, name)).UTC()
		}
		messages := make([]notifyapi.Message, rapid.IntRange(0, 2).Draw(t, "messages"))
		tasks := make([]task.Task, len(messages))
		for i := range messages {
			messages[i] = notifyapi.Message{
				ID: text("id"), Channel: text("channel"), Template: text("template"), Status: text("status"), Attempts: number("attempts"),
				To: text("to"), Subject: text("subject"), Text: text("text"),
			}
			tasks[i] = task.Task{
				ID: text("id"), Status: task.Status(text("status")), Attempts: number("attempts"), Failures: number("failures"), NextAt: at("next"),
				ClaimedBy: text("by"), ClaimUntil: at("until"), Reason: text("reason"), CreatedAt: at("created"), ParkedAt: at("parked"), Trace: text("trace"),
			}
		}
		journaltest.RequireExact(t, notifyapi.Types(), notifyapi.Queued{
			OrderID: text("order"), Customer: text("customer"), Tenant: text("tenant"), Messages: messages, Tasks: tasks,
		})
		journaltest.RequireAppends(t, &notifyapi.Order{
			ID: text("id"), Customer: text("customer"), Tenant: text("tenant"), Messages: messages, ChangedAt: at("changed"), Seq: rapid.Uint64().Draw(t, "seq"),
		})
		for _, made := range tasks {
			journaltest.RequireAppends(t, made)
		}
	})
}
