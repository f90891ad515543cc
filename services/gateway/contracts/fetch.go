package contracts

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

// fetched is what came of asking a service.
type fetched struct {
	raw  []byte
	etag string // the service's own; "" if it gives none
	same bool   // nothing has changed since the ETag that was asked with
	err  error
}

func (b *Book) fetch(ctx context.Context, service, asked string) (f fetched) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.AskWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+service+"/openapi.yaml", nil)
	if err != nil {
		return fetched{err: err}
	}
	if asked != "" {
		req.Header.Set("If-None-Match", asked)
	}
	resp, err := b.deps.Client.Do(req)
	if err != nil {
		return fetched{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode == http.StatusNotModified && asked != "":
		return fetched{same: true}
	case resp.StatusCode == http.StatusNotFound && httpx.IsProblem(resp):
		return fetched{err: errNoContract}
	case resp.StatusCode != http.StatusOK:
		return fetched{err: fmt.Errorf("answer %d", resp.StatusCode)}
	}
	f.etag = resp.Header.Get("ETag")
	f.raw, f.err = io.ReadAll(io.LimitReader(resp.Body, maxContractBytes+1))
	return f
}
