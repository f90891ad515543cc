package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/httpx/httpxtest"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/kit/task/tasktest"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// post is the outside of these tests: a mail server and an SMS gateway with inboxes, and the fault of the moment.
type post struct {
	mu      sync.Mutex
	mails   map[string]int // by message id in the text
	texts   map[string]int // by idempotency key
	inMail  int            // mails being sent
	maxMail int
	fault   func(channel string) string // "", down, slow, lost or a status
}

func (p *post) invoke(ctx context.Context, name, operation string, data []byte, metadata map[string]string) (sidecar.BindingResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fault := ""
	if p.fault != nil {
		fault = p.fault(name)
	}
	if name == "mail" {
		p.inMail++
		p.maxMail = max(p.maxMail, p.inMail)
		defer func() { p.inMail-- }()
	}
	p.mu.Unlock()
	<-time.After(5 * time.Millisecond) // of the bubble
	if fault == "slow" {
		<-ctx.Done()
	}
	p.mu.Lock()
	switch fault {
	case "down", "slow":
		return sidecar.BindingResult{}, errors.New("connection refused")
	case "422", "500":
		var status int
		_, _ = fmt.Sscan(fault, &status)
		return sidecar.BindingResult{}, &sidecar.BindingError{Binding: name, Status: status}
	}
	switch {
	case name == "mail" && operation == "create" && metadata["emailTo"] == both.Email && metadata["emailFrom"] != "" && metadata["subject"] != "":
		_, id, _ := strings.Cut(string(data), "Message-ID: ")
		p.mails[strings.TrimSuffix(strings.TrimSpace(id), "</pre>")]++
	case name == "sms" && operation == "post" && strings.Contains(string(data), "+4930123456"):
		p.texts[metadata["Idempotency-Key"]]++
	default:
		return sidecar.BindingResult{}, errors.New("not the protocol of the binding")
	}
	if fault == "lost" {
		return sidecar.BindingResult{}, errors.New("connection reset")
	}
	return sidecar.BindingResult{}, nil
}

func (p *post) set(fault func(channel string) string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

func always(fault string) func(string) string { return func(string) string { return fault } }

// shop is notify at work between a journal of order and the post.
type shop struct {
	t        *testing.T
	w        *tasktest.World
	order    *tasktest.Source
	post     *post
	cfg      Config
	faults   journaltest.Faults
	stop     func()
	contract *httpxtest.Contract
}

// inShop runs a test in a bubble of its own time.
func inShop(t *testing.T, cfg Config, faults journaltest.Faults, test func(*shop)) {
	against := httpxtest.Load(t, contract)
	synctest.Test(t, func(t *testing.T) {
		w := tasktest.New(t)
		s := &shop{t: t, w: w, post: &post{mails: map[string]int{}, texts: map[string]int{}}, cfg: cfg, faults: faults, contract: against}
		w.Outside(s.post.invoke)
		var stopOrder func()
		s.order, stopOrder = w.Source("order", orderapi.Types())
		defer stopOrder()
		s.start()
		defer func() { s.stop() }()
		test(s)
	})
}

func (s *shop) start() {
	service, err := New(s.cfg, s.w.Deps(s.faults))
	require.NoError(s.t, err)
	s.stop = s.w.Start(service)
}

// after lets time pass in the bubble.
func (s *shop) after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// get asks for a list from inside and holds the answer against the contract.
func (s *shop) get(order, query string) (status int, list httpx.List[notifyapi.Notification]) {
	return s.getAs(identity.Caller{}, order, query)
}

// getAs is get for somebody whom the gateway names; the zero Caller is from inside.
func (s *shop) getAs(who identity.Caller, order, query string) (status int, list httpx.List[notifyapi.Notification]) {
	const path = "/v1/orders/%s/notifications%s"
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://notify"+fmt.Sprintf(path, order, query), nil)
	require.NoError(s.t, err)
	who.Put(r.Header)
	res, err := s.w.Client().Do(r)
	require.NoError(s.t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	asked, err := http.NewRequest(http.MethodGet, fmt.Sprintf(path, order, query), nil)
	require.NoError(s.t, err)
	s.contract.Check(s.t, asked, res.StatusCode, res.Header, body)
	if res.StatusCode == http.StatusOK {
		require.NoError(s.t, json.Unmarshal(body, &list))
	}
	return res.StatusCode, list
}

// said gives the notifications of an order in short.
func (s *shop) said(order string) (said []string) {
	status, list := s.get(order, "")
	require.Equal(s.t, http.StatusOK, status)
	for _, n := range list.Items {
		said = append(said, fmt.Sprintf("%s %s %s %d", n.Template, n.Channel, n.Status, n.Attempts))
	}
	return said
}

func (s *shop) parked() []follow.Parked {
	var list httpx.List[follow.Parked]
	require.NoError(s.t, s.w.Get("http://notify/internal/parked", &list))
	return list.Items
}

func TestEveryEventIsToldOnEveryChannelOnce(t *testing.T) {
	inShop(t, Config{}, journaltest.Faults{}, func(s *shop) {
		for _, e := range events("o", both) {
			s.order.Append("o", e)
			s.after(time.Second)
		}
		require.Equal(t, []string{
			"order_placed email sent 1", "order_placed sms sent 1", "order_paid email sent 1", "order_paid sms sent 1",
			"order_cancelled email sent 1", "order_cancelled sms sent 1", "order_refunded email sent 1", "order_refunded sms sent 1",
			"order_refunded email sent 1", "order_refunded sms sent 1",
		}, s.said("o"))
		_, list := s.get("o", "")
		for _, n := range list.Items {
			require.Equal(t, 1, s.post.mails[n.MessageID]+s.post.texts[n.MessageID])
		}
		require.Empty(t, s.said("nobody"))
	})
}

// TestNotificationsAreOfTheOrdersOwner asks while the order is in memory and once it is archived; an order from before there
// were owners is shown to operators only, until more happens to it.
func TestNotificationsAreOfTheOrdersOwner(t *testing.T) {
	inShop(t, Config{ArchiveAfter: 10 * time.Second}, journaltest.Faults{}, func(s *shop) {
		of := func(order, customer, tenant string, e orderapi.Paid) orderapi.Paid {
			e.OrderID, e.Customer, e.Tenant = order, customer, tenant
			return e
		}
		paid := events("o", both)[1].(orderapi.Paid)
		s.order.Append("o", of("o", "ann", "", paid))
		s.order.Append("t", of("t", "ann", "acme", paid))
		s.order.Append("old", of("old", "", "", paid))
		who := func(subject, tenant, role string) identity.Caller {
			return identity.Caller{Subject: subject, Tenant: tenant, Roles: []string{role}}
		}
		const customer, operator = identity.RoleCustomer, identity.RoleOperator
		check := func(ofOld int) {
			t.Helper()
			for _, c := range []struct {
				who       identity.Caller
				o, t, old int
			}{
				{who("ann", "", customer), 2, 0, ofOld},
				{who("ann", "acme", customer), 0, 2, 0},
				{who("eve", "", customer), 0, 0, 0},
				{who("eve", "acme", customer), 0, 0, 0},
				{who("olga", "", operator), 2, 0, max(ofOld, 2)},
				{who("otto", "acme", operator), 0, 2, 0},
				{who("crm", "", identity.RoleService), 0, 0, 0},
				{identity.Nobody(), 0, 0, 0},
				{identity.Caller{}, 2, 2, max(ofOld, 2)},
			} {
				for order, want := range map[string]int{"o": c.o, "t": c.t, "old": c.old, "unknown": 0} {
					status, list := s.getAs(c.who, order, "")
					require.Equal(t, http.StatusOK, status)
					require.Len(t, list.Items, want, "%s as %+v", order, c.who)
				}
			}
		}
		s.after(time.Second)
		check(0)
		s.after(time.Minute)
		require.Len(t, s.w.Store.Keys("notify/view/order/"), 3)
		check(0)
		more := events("old", both)[3].(orderapi.Refunded)
		more.Customer, more.Tenant = "ann", ""
		s.order.Append("old", more)
		s.after(time.Second)
		check(4)
	})
}

func TestPages(t *testing.T) {
	inShop(t, Config{}, journaltest.Faults{}, func(s *shop) {
		s.order.Append("o", events("o", both)...)
		s.after(time.Second)
		_, all := s.get("o", "")
		var paged []notifyapi.Notification
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			_, page := s.get("o", "?limit=3&cursor="+cursor)
			paged, cursor = append(paged, page.Items...), page.NextCursor
		}
		require.Equal(t, all.Items, paged)
		for _, bad := range []string{"?limit=0", "?limit=many", "?cursor=-1", "?cursor=x"} {
			status, _ := s.get("o", bad)
			require.Equal(t, http.StatusBadRequest, status, bad)
		}
	})
}

func TestAChannelThatIsDownHoldsUpNoOther(t *testing.T) {
	inShop(t, Config{}, journaltest.Faults{}, func(s *shop) {
		s.post.set(func(channel string) string {
			if channel == "mail" {
				return "slow"
			}
			return ""
		})
		for i := range 20 {
			id := fmt.Sprint("o", i)
			s.order.Append(id, events(id, both)[1])
		}
		s.after(2 * time.Second)
		require.Len(t, s.post.texts, 20, "mails that hang do not stop text messages")
		require.Empty(t, s.post.mails)
		s.after(30 * time.Minute)
		parked := s.parked()
		require.Len(t, parked, 20)
		require.Equal(t, "mail", parked[0].Source)
		require.Equal(t, "order_paid", parked[0].Type)
		require.NotContains(t, string(parked[0].Data), both.Email)
		require.Equal(t, []string{"order_paid email parked 7", "order_paid sms sent 1"}, s.said("o3"))

		s.post.set(nil)
		for _, p := range parked[1:] {
			require.NoError(t, s.w.Post("http://notify/internal/parked/"+p.ID+"/retry"))
		}
		require.NoError(t, s.w.Post("http://notify/internal/parked/"+parked[0].ID+"/discard"))
		s.after(time.Minute)
		require.Len(t, s.post.mails, 19)
		require.Empty(t, s.parked())
		require.Equal(t, 1, s.post.maxMail, "one mail at a time")
	})
}

func TestWhatTheGatewayRefusesIsParkedAtOnce(t *testing.T) {
	inShop(t, Config{}, journaltest.Faults{}, func(s *shop) {
		s.post.set(always("422"))
		s.order.Append("o", events("o", orderapi.Contact{Phone: both.Phone})[1])
		s.order.Append("p", events("p", orderapi.Contact{Email: "ann@example.org\nBcc: eve@example.org"})[1])
		s.after(time.Second)
		require.Equal(t, []string{"order_paid sms parked 1"}, s.said("o"))
		require.Equal(t, []string{"order_paid email parked 1"}, s.said("p"))
		require.Empty(t, s.post.mails)
	})
}

func TestAnArchivedOrderIsStillListedAndCanBeToldMore(t *testing.T) {
	inShop(t, Config{ArchiveAfter: 10 * time.Second}, journaltest.Faults{}, func(s *shop) {
		all := events("o", both)
		s.order.Append("o", all[1])
		s.after(time.Minute)
		require.NotEmpty(t, s.w.Store.Keys("notify/view/order/"))
		require.Equal(t, []string{"order_paid email sent 1", "order_paid sms sent 1"}, s.said("o"))
		s.order.Append("o", all[1], all[3])
		s.after(time.Second)
		require.Len(t, s.said("o"), 4)
		s.after(time.Minute)
		s.stop()
		s.start()
		s.after(time.Second)
		require.Len(t, s.said("o"), 4)
		require.Len(t, s.post.mails, 2)
	})
}

func TestConfigIsChecked(t *testing.T) {
	w := tasktest.New(t)
	_, err := New(Config{MailFrom: "shop"}, w.Deps(journaltest.Faults{}))
	require.ErrorContains(t, err, "MailFrom")
	_, err = New(Config{MailConcurrency: -1}, w.Deps(journaltest.Faults{}))
	require.Error(t, err)
}

// TestEverythingIsSaidAtLeastOnce runs notify over a store and an outside that fail at random, with restarts.
func TestEverythingIsSaidAtLeastOnce(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			faults := journaltest.Faults{Seed: seed, FailBefore: 0.1, FailAfter: 0.1, PlainConflict: 0.1, Delay: 0.1}
			inShop(t, Config{ArchiveAfter: 10 * time.Second}, faults, func(s *shop) {
				calls, modes := 0, []string{"", "lost", "", "down", "500", "", "slow"}
				s.post.set(func(string) string {
					calls++
					return modes[(uint64(calls)*7+seed)%uint64(len(modes))]
				})
				const orders = 15
				for i := range orders {
					id := fmt.Sprint("o", i)
					for _, e := range events(id, both)[:3] {
						s.order.Append(id, e)
					}
					if i%5 == 4 {
						s.after(time.Duration(i) * 300 * time.Millisecond)
						s.stop()
						s.start()
					}
				}
				s.after(20 * time.Minute)
				s.post.set(nil)
				for parked := s.parked(); len(parked) > 0; parked = s.parked() { // page by page
					for _, p := range parked {
						require.NoError(t, s.w.Post("http://notify/internal/parked/"+p.ID+"/retry"))
					}
					s.after(time.Minute)
				}
				s.after(5 * time.Minute)
				for i := range orders {
					status, list := s.get(fmt.Sprint("o", i), "")
					for status == http.StatusServiceUnavailable { // the store failed to give the view
						status, list = s.get(fmt.Sprint("o", i), "")
					}
					require.Len(t, list.Items, 6)
					for _, n := range list.Items {
						require.Equal(t, notifyapi.StatusSent, n.Status)
						require.Positive(t, s.post.mails[n.MessageID]+s.post.texts[n.MessageID])
					}
				}
				require.Len(t, s.post.mails, 3*orders)
				require.Len(t, s.post.texts, 3*orders)
			})
		})
	}
}
