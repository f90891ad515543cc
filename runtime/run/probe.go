package run

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	probeTimeout  = 2 * time.Second
	firstProbe    = 10 * time.Millisecond
	slowestProbe  = 200 * time.Millisecond
	probeBodyMax  = 512
	tokenHeader   = "dapr-api-token"
	outboundReady = "/v1.0/healthz/outbound"
)

// probe asks a process once, now, whether it is ready; nil means yes.
type probe func(ctx context.Context) error

// httpProbe asks by HTTP: every URL must answer 2xx.
type httpProbe struct {
	urls   []string
	token  string
	client *http.Client
}

func newProbeClient() *http.Client {
	return &http.Client{
		Timeout: probeTimeout,
		// No connection is kept: the process behind the port may be another one next time. No proxy: this is loopback.
		Transport: &http.Transport{DisableKeepAlives: true},
		// A redirect is an answer, and not the one that says healthy.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (p httpProbe) once(ctx context.Context) error {
	for _, url := range p.urls {
		if err := p.ask(ctx, url); err != nil {
			return err
		}
	}
	return nil
}

func (p httpProbe) ask(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if p.token != "" {
		req.Header.Set(tokenHeader, p.token)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 == 2 {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, probeBodyMax))
	return fmt.Errorf("GET %s: %s: %s", url, res.Status, strings.Join(strings.Fields(string(body)), " "))
}

// awaitHealthy asks until the answer is good, then closes healthy; it ends with ctx.
func (p *proc) awaitHealthy(ctx context.Context, healthy chan<- struct{}) {
	timer := time.NewTimer(firstProbe)
	defer timer.Stop()
	for wait := firstProbe; ; wait = min(wait+wait/4+1, slowestProbe) {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := p.probe(ctx)
		if err == nil {
			close(healthy)
			return
		}
		p.mu.Lock()
		p.lastProbe = err
		p.mu.Unlock()
		timer.Reset(wait)
	}
}
