package notify

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

var (
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	price = money.Of(1250, "EUR")
	both  = orderapi.Contact{Email: "ann@example.org", Phone: "+49 30 123456"}
)

// events are one of each that makes messages.
func events(order string, to orderapi.Contact) []journal.Event {
	lines := []orderapi.Line{{SKU: "mug", Title: "Blue mug", Quantity: 2, UnitPrice: price}}
	return []journal.Event{
		orderapi.Placed{OrderID: order, Customer: "ann", Contact: to, Lines: lines, Total: price, PayBy: start},
		orderapi.Paid{OrderID: order, Customer: "ann", Contact: to, Lines: lines, Total: price},
		orderapi.Cancelled{OrderID: order, Customer: "ann", Contact: to, Total: price, Reason: orderapi.ReasonCustomer},
		orderapi.Refunded{OrderID: order, Customer: "ann", Contact: to, Amount: price, ChargeID: "ch_1"},
		orderapi.Refunded{OrderID: order, Customer: "ann", Contact: to, Amount: price, ChargeID: "ch_2"},
	}
}

// meaning is what an event means to notify, read as order's journal has it.
func meaning(t require.TestingT, writer string, at journal.At, e journal.Event) []follow.Routed {
	data, err := json.Marshal(e)
	require.NoError(t, err)
	routed, err := reactions(writer, 9*time.Second).To(at, journal.Record{Type: e.EventType(), Data: data})
	require.NoError(t, err)
	return routed
}

// messagesFor are those that an event makes.
func messagesFor(t require.TestingT, e journal.Event) (orderID string, made []notifyapi.Message) {
	for _, r := range meaning(t, "", journal.At{}, e) {
		orderID, made = r.AggregateID, r.Cmd.(queue).Messages
	}
	return orderID, made
}

func TestMessagesOfEachEvent(t *testing.T) {
	ids := map[string]bool{}
	for _, e := range events("o", both) {
		order, made := messagesFor(t, e)
		require.Equal(t, "o", order)
		require.Len(t, made, 2, e.EventType())
		for _, m := range made {
			require.False(t, ids[m.ID], "an id of its own")
			ids[m.ID] = true
			require.Contains(t, m.Text, "o")
			require.NotContains(t, m.Text, "<no value>")
			require.NotContains(t, m.Text, "\n\n\n")
		}
		_, again := messagesFor(t, e)
		require.Equal(t, made, again, "the same event makes the same messages")
		_, mailOnly := messagesFor(t, events("o", orderapi.Contact{Email: both.Email})[0])
		require.Len(t, mailOnly, 1)
	}
	_, none := messagesFor(t, orderapi.PaymentRequested{OrderID: "o"})
	require.Empty(t, none)
	_, placed := messagesFor(t, events("o", both)[0])
	require.Contains(t, placed[0].Text, "2 x Blue mug (mug), 12.50 EUR each")
	require.Contains(t, placed[0].Text, "pay by 2026-01-02 03:04 UTC")
}

// TestMessagesAreBoundedAndPlain puts anything at all into an order.
func TestMessagesAreBoundedAndPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.Custom(func(t *rapid.T) orderapi.Line {
			return orderapi.Line{SKU: rapid.String().Draw(t, "sku"), Title: rapid.StringN(0, 300, -1).Draw(t, "title"), Quantity: 1, UnitPrice: price}
		})
		e := orderapi.Paid{
			OrderID: rapid.String().Draw(t, "id"), Contact: both, Total: price,
			Lines: rapid.SliceOfN(line, 0, 60).Draw(t, "lines"),
		}
		_, made := messagesFor(t, e)
		for _, m := range made {
			require.False(t, strings.ContainsAny(m.Subject, "\r\n\x00"))
			require.LessOrEqual(t, len(m.Text), maxMailTextBytes)
			require.True(t, utf8.ValidString(m.Text))
			if m.Channel == notifyapi.ChannelSMS {
				require.LessOrEqual(t, len(m.Text), maxSMSTextBytes)
			}
		}
	})
}

func TestAddresses(t *testing.T) {
	for _, good := range []string{"ann@example.org", "a.b+c@sub.example.org"} {
		require.True(t, isAddress(good), good)
	}
	for _, bad := range []string{
		"", "ann", "ann@example.org\r\nBcc: eve@example.org", "a@b.org;c@d.org", "a@b.org,c@d.org", "Ann <ann@example.org>", "ann@example.org ",
	} {
		require.False(t, isAddress(bad), "%q", bad)
	}
	body := mailBody(notifyapi.Message{ID: "id", Text: "<script>"}, "")
	require.Contains(t, body, "&lt;script&gt;")
	require.Contains(t, body, "Message-ID: id")
	require.NotContains(t, body, "X-Trace-Id")
	require.Contains(t, mailBody(notifyapi.Message{ID: "id"}, "4bf92f3577b34da6a3ce929d0e0e4736"), "\nX-Trace-Id: 4bf92f3577b34da6a3ce929d0e0e4736<")
	require.Equal(t, map[string]string{
		"emailFrom": "shop@example.org", "emailTo": "ann@example.org", "subject": "Paid  Bcc: eve", "header.Message-ID": "<id@example.org>",
		"header.X-Trace-Id": "4bf92f3577b34da6a3ce929d0e0e4736",
	}, mailMetadata(notifyapi.Message{ID: "id", To: "ann@example.org", Subject: "Paid\r\nBcc: eve"}, "shop@example.org", "4bf92f3577b34da6a3ce929d0e0e4736"))
	require.NotContains(t, mailMetadata(notifyapi.Message{ID: "id"}, "shop@example.org", ""), "header.X-Trace-Id")
}

// book is a shard with the views that its archiver would have written.
type book struct {
	t     require.TestingT
	s     *state
	at    journal.At
	views map[string]*archive.View[notifyapi.Order]
	sent  map[string]int
}

func newBook(t require.TestingT) *book {
	return &book{t: t, s: newState(), at: journal.At{Seq: 1, Time: start}, views: map[string]*archive.View[notifyapi.Order]{}, sent: map[string]int{}}
}

// do decides and applies a command, looking into the archive as archive.Journal does.
func (b *book) do(cmd journal.Command) ([]journal.Event, error) {
	before := dump(b.t, b.s)
	next := b.s.clone()
	_, events, err := decide(next, b.at, cmd)
	if q, ok := cmd.(queue); ok && err != nil {
		require.ErrorIs(b.t, err, archive.ErrLookAgain)
		return b.do(q.WithLook(archive.Look[notifyapi.Order]{Generation: b.s.archived.Generation(), View: b.views[q.OrderID]}))
	}
	if err != nil {
		require.Empty(b.t, events)
		return nil, err
	}
	for _, e := range events {
		data, err := json.Marshal(e)
		require.NoError(b.t, err)
		decoded, err := notifyapi.Types().Decode(journal.Record{Type: e.EventType(), Data: data})
		require.NoError(b.t, err)
		apply(next, b.at, decoded)
		if sent, ok := e.(notifyapi.Sent); ok {
			b.sent[sent.MessageID]++
		}
	}
	require.Equal(b.t, before, dump(b.t, b.s), "a committed state never changes")
	b.s = next
	b.at.Seq++
	return events, nil
}

func dump(t require.TestingT, s *state) []string {
	var records []string
	require.NoError(t, machine{}.Dump(s, func(kind string, r any) error {
		text, err := json.Marshal(r)
		records = append(records, kind+" "+string(text))
		return err
	}))
	slices.Sort(records) // they come in no order
	return records
}

func TestArchivingLeavesOutWhatChanged(t *testing.T) {
	b := newBook(t)
	tell := func(n int) {
		cmd := meaning(t, "", b.at, events("o", both)[n])[0].Cmd.(queue)
		_, err := b.do(cmd)
		require.NoError(t, err)
		for _, m := range cmd.Messages {
			_, err := b.do(recordSent{m.ID})
			require.NoError(t, err)
		}
	}
	tell(0)
	seen := b.s.order("o").Seq // of the view that a slow archiver has written
	tell(1)
	archived, err := b.do(archiveOrders{[]archive.Ref{{ID: "o", Seq: seen}}})
	require.NoError(t, err)
	require.Empty(t, archived, "its view does not know the second message")
	archived, err = b.do(archiveOrders{[]archive.Ref{{ID: "o", Seq: b.s.order("o").Seq}}})
	require.NoError(t, err)
	require.Len(t, archived, 1)
}

// archive does what the archiver does.
func (b *book) archive(after time.Duration) {
	var refs []archive.Ref
	for _, o := range b.s.settledBefore(b.at.Time.Add(-after), 10) {
		b.views[o.ID] = &archive.View[notifyapi.Order]{ID: o.ID, Seq: o.Seq, Doc: *o}
		refs = append(refs, archive.Ref{ID: o.ID, Seq: o.Seq})
	}
	_, err := b.do(archiveOrders{refs})
	require.NoError(b.t, err)
}

// TestDomain runs random events of order, in any order and repeated, with archiving in between.
func TestDomain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBook(t)
		order := rapid.SampledFrom([]string{"o", "p"})
		made := map[string]string{} // message → order
		message := func(t *rapid.T) string {
			o, e := order.Draw(t, "order"), rapid.IntRange(0, 4).Draw(t, "event")
			_, all := messagesFor(t, events(o, both)[e])
			return all[rapid.IntRange(0, 1).Draw(t, "channel")].ID
		}
		t.Repeat(map[string]func(*rapid.T){
			"event": func(t *rapid.T) {
				routed := meaning(t, rapid.SampledFrom([]string{"", "w"}).Draw(t, "writer"), b.at,
					events(order.Draw(t, "order"), both)[rapid.IntRange(0, 4).Draw(t, "event")])
				_, err := b.do(routed[0].Cmd)
				require.NoError(t, err)
				for _, m := range routed[0].Cmd.(queue).Messages {
					made[m.ID] = routed[0].AggregateID
				}
			},
			"claim": func(t *rapid.T) { _, _ = b.do(task.Claim{By: "w", IDs: []string{message(t)}, Lease: 9 * time.Second}) },
			"fail":  func(t *rapid.T) { _, _ = b.do(task.Fail{ID: message(t), By: "w", Reason: "down"}) },
			"park":  func(t *rapid.T) { _, _ = b.do(task.Park{ID: message(t), By: "w", Reason: "no"}) },
			"retry": func(t *rapid.T) { _, _ = b.do(task.Retry{ID: message(t)}) },
			"discard": func(t *rapid.T) {
				_, _ = b.do(task.Discard{ID: message(t)})
			},
			"sent": func(t *rapid.T) {
				_, err := b.do(recordSent{message(t)})
				require.NoError(t, err)
			},
			"time":    func(t *rapid.T) { b.at.Time = b.at.Time.Add(5 * time.Second) },
			"archive": func(t *rapid.T) { b.archive(10 * time.Second) },
			"":        func(t *rapid.T) { check(t, b, made) },
		})
	})
}

// check holds the rules against the state.
func check(t *rapid.T, b *book, made map[string]string) {
	for id, n := range b.sent {
		require.Equal(t, 1, n, "message %s is recorded as sent once", id)
	}
	open := 0
	for id, orderID := range made {
		o := b.s.order(orderID)
		if o == nil {
			require.NotNil(t, b.views[orderID], "what is not in memory is in the archive")
			o = &b.views[orderID].Doc
		}
		m, ok := messageOf(o, id)
		require.True(t, ok, "every message is known for ever")
		work, working := b.s.set(m.Channel).Get(id)
		require.Equal(t, !final(m.Status), working, "a message is open exactly while there is a task for it")
		require.Equal(t, b.sent[id] == 1, m.Status == notifyapi.StatusSent)
		if !working {
			require.Empty(t, m.To+m.Subject+m.Text, "nothing personal is kept of what is done")
			continue
		}
		open++
		require.Equal(t, work.Status == task.Parked, m.Status == notifyapi.StatusParked)
		require.Equal(t, work.Attempts, m.Attempts)
		require.NotEmpty(t, m.Text)
	}
	require.Equal(t, open, b.s.open.Len())
	require.Equal(t, open, b.s.mail.Len()+b.s.sms.Len())

	again := machine{}.New()
	require.NoError(t, machine{}.Dump(b.s, func(kind string, r any) error {
		text, err := json.Marshal(r)
		require.NoError(t, err)
		return machine{}.Load(again, kind, jsontext.Value(text))
	}))
	require.Equal(t, dump(t, b.s), dump(t, again), "a snapshot gives the same state")
	require.Equal(t, b.s.open.Len(), again.open.Len())
	require.Equal(t, b.s.settledBefore(b.at.Time, 9), again.settledBefore(b.at.Time, 9))
}
