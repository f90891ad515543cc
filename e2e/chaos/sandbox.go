package chaos

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// pages reads a list of the sandbox that only ever grows: pages that were full are not read again.
type pages[T any] struct {
	path   string
	cursor string
	full   []T
}

func (p *pages[T]) read(ctx context.Context, c *client.Client) ([]T, error) {
	for {
		query := "?limit=1000"
		if p.cursor != "" {
			query += "&cursor=" + url.QueryEscape(p.cursor)
		}
		a, err := c.Do(ctx, http.MethodGet, p.path+query, nil, nil)
		if err != nil {
			return nil, err
		}
		if a.Status != http.StatusOK {
			return nil, fmt.Errorf("the sandbox answered %s with %d: %s", p.path, a.Status, a.Body)
		}
		var page client.List[T]
		if err := a.Into(&page); err != nil {
			return nil, err
		}
		if page.NextCursor == "" {
			return append(p.full[:len(p.full):len(p.full)], page.Items...), nil
		}
		p.full, p.cursor = append(p.full, page.Items...), page.NextCursor
	}
}

// outside is the world's own account: what the provider has in its ledger and what arrived.
type outside struct {
	http     *client.Client
	charges  pages[harness.Entry]
	refunds  pages[harness.Entry]
	mail     pages[harness.Mail]
	messages pages[harness.SMS]
}

func newOutside(base string) *outside {
	return &outside{
		http:     client.New(base, readWithin),
		charges:  pages[harness.Entry]{path: "/charges"},
		refunds:  pages[harness.Entry]{path: "/refunds"},
		mail:     pages[harness.Mail]{path: "/mail"},
		messages: pages[harness.SMS]{path: "/sms"},
	}
}

// worldView is one reading of it.
type worldView struct {
	charges, refunds []harness.Entry
	arrived          map[string]int // message id → how often
}

func (o *outside) read(ctx context.Context) (w worldView, err error) {
	if w.charges, err = o.charges.read(ctx, o.http); err != nil {
		return w, err
	}
	if w.refunds, err = o.refunds.read(ctx, o.http); err != nil {
		return w, err
	}
	mail, err := o.mail.read(ctx, o.http)
	if err != nil {
		return w, err
	}
	texts, err := o.messages.read(ctx, o.http)
	if err != nil {
		return w, err
	}
	w.arrived = map[string]int{}
	for _, m := range mail {
		w.arrived[m.MessageID]++
	}
	for _, m := range texts {
		w.arrived[m.ID]++
	}
	return w, nil
}
