package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// buyer is one client that buys: it places an order, pays for it, and waits until the text message says that it is paid.
type buyer struct {
	host     *fasthttp.HostClient
	request  fasthttp.Request
	response fasthttp.Response
	base     string
	within   time.Duration // for the whole sale
	prefix   string
	skus     []string
	texts    *texts
	bearers  []string // of the customers, by turns
}

// buyers makes the Shooter of sales.
func (t Target) buyers(hosts []*fasthttp.HostClient, clients int, closeAll func()) (Shooter, func(), error) {
	ctx, stop := context.WithCancel(context.Background())
	inbox, err := newTexts(ctx, t.Texts)
	if err != nil {
		stop()
		return nil, nil, err
	}
	var following sync.WaitGroup
	following.Go(func() { inbox.follow(ctx) })
	all := make([]*buyer, clients)
	for i := range all {
		at := i % len(hosts)
		b := &buyer{host: hosts[at], base: t.Bases[at], within: t.Within, prefix: t.Prefix, skus: t.SKUs, texts: inbox, bearers: t.bearers()}
		b.request.Header.SetMethod(http.MethodPost)
		b.request.Header.SetContentType("application/json")
		all[i] = b
	}
	return func(client int, n int64) Outcome { return all[client].shoot(n) }, func() {
		stop()
		following.Wait()
		closeAll()
	}, nil
}

func (b *buyer) shoot(n int64) Outcome {
	deadline := time.Now().Add(b.within)
	key := b.prefix + strconv.FormatInt(n, 10)
	b.request.Header.Set("Idempotency-Key", key)
	customer := fmt.Sprintf(`"customer":%q,`, key)
	if len(b.bearers) > 0 {
		b.request.Header.Set("Authorization", b.bearers[n%int64(len(b.bearers))])
		customer = "" // whom the token names
	}
	// Phone numbers are as good as random: nobody looks at them.
	placed := fmt.Sprintf(`{%s"contact":{"phone":"+49%011d"},"lines":[{"sku":%q,"quantity":1}]}`, customer, n, b.skus[n%int64(len(b.skus))])
	if err := b.post("/v1/orders", placed, deadline); err != nil {
		return Unknown
	}
	if o := outcomeOf(b.response.StatusCode(), b.response.Body()); o != Accepted {
		return o
	}
	var order struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(b.response.Body(), &order); err != nil || order.ID == "" {
		return Wrong
	}
	told := b.texts.expect(order.ID)
	defer b.texts.forget(order.ID)
	// From here on the order stands: whatever goes wrong with its payment leaves open what becomes of it.
	if err := b.post("/v1/orders/"+url.PathEscape(order.ID)+"/payment", `{"method":"card"}`, deadline); err != nil || b.response.StatusCode() != http.StatusAccepted {
		return Unknown
	}
	late := time.NewTimer(time.Until(deadline))
	defer late.Stop()
	select {
	case <-told:
		return Accepted
	case <-late.C:
		return Unknown
	}
}

func (b *buyer) post(path, body string, deadline time.Time) error {
	b.request.SetRequestURI(b.base + path)
	b.request.SetBodyString(body)
	return b.host.DoDeadline(&b.request, &b.response, deadline)
}

// How the inbox of text messages is read: a short page, because the last one is read again until it is full.
const (
	textsEvery  = 20 * time.Millisecond
	textsAPage  = 100
	textsWithin = 10 * time.Second
)

// paidText finds the order in the message that it is paid; the message that it was placed says something else.
var paidText = regexp.MustCompile(`^Your order (\S+) is paid`)

// texts reads the inbox of text messages in the sandbox and tells those who wait for one.
type texts struct {
	base   string
	cursor string // of the page that is read now
	seen   int    // messages of that page

	mu      sync.Mutex
	waiting map[string]chan struct{} // by order
}

// newTexts passes over what is in the inbox already.
func newTexts(ctx context.Context, base string) (*texts, error) {
	t := &texts{base: base, waiting: map[string]chan struct{}{}}
	return t, t.read(ctx)
}

// expect gives a channel that is closed when the order's message comes. Ask before it can have been sent.
func (t *texts) expect(order string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := make(chan struct{})
	t.waiting[order] = c
	return c
}

func (t *texts) forget(order string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.waiting, order)
}

// follow reads on until ctx ends.
func (t *texts) follow(ctx context.Context) {
	tick := time.NewTicker(textsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = t.read(ctx) // what cannot be read now is read next time; a sale that is never told counts as unknown
		}
	}
}

// read goes through what has come since the last time.
func (t *texts) read(ctx context.Context) error {
	for {
		items, next, err := t.page(ctx)
		if err != nil {
			return err
		}
		t.tell(items[min(t.seen, len(items)):])
		if t.seen = len(items); next == "" {
			return nil
		}
		t.cursor, t.seen = next, 0
	}
}

func (t *texts) tell(items []text) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range items {
		found := paidText.FindStringSubmatch(m.Text)
		if found == nil {
			continue
		}
		if c, ok := t.waiting[found[1]]; ok {
			delete(t.waiting, found[1])
			close(c)
		}
	}
}

type text struct {
	Text string `json:"text"`
}

func (t *texts) page(ctx context.Context) (items []text, next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, textsWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/sms?limit=%d&cursor=%s", t.base, textsAPage, t.cursor), nil)
	if err != nil {
		return nil, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	var page struct {
		Items []text `json:"items"`
		Next  string `json:"next_cursor"`
	}
	if res.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("the inbox of text messages: %s", res.Status)
	}
	err = json.NewDecoder(res.Body).Decode(&page)
	return page.Items, page.Next, err
}
