package httpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// maxAnswerBytes bounds what Call reads from another service.
const maxAnswerBytes = 16 << 20

// Call sends in as JSON (no body if nil) to another service and reads its answer into out (ignored if nil).
// A problem document of the other side comes back as the *errs.Error that it was. A failure between the two is
// Unavailable for GET and HEAD and OutcomeUnknown for everything else, because the other side may have acted.
// It does not retry: who calls knows whether and for how long.
func Call(ctx context.Context, client *http.Client, method, url string, in, out any) error {
	req, err := newRequest(ctx, method, url, in)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return broken(method, err)
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
		_ = resp.Body.Close()
	}()
	if resp.StatusCode >= http.StatusBadRequest {
		if !IsProblem(resp) && resp.StatusCode >= http.StatusInternalServerError {
			return broken(method, ReadProblem(resp)) // the sidecar answered in place of the service
		}
		return ReadProblem(resp)
	}
	if out == nil {
		return nil
	}
	body := takeBuffer()
	defer giveBuffer(body) // what is decoded has copies of its own
	if _, err := body.ReadFrom(io.LimitReader(resp.Body, maxAnswerBytes+1)); err != nil {
		return broken(method, err)
	}
	if body.Len() > maxAnswerBytes {
		return errs.From(fmt.Errorf("answer of %s %s is over %d bytes", method, url, maxAnswerBytes))
	}
	if err := json.Unmarshal(body.Bytes(), out); err != nil {
		return errs.From(fmt.Errorf("answer of %s %s: %w", method, url, err))
	}
	return nil
}

func newRequest(ctx context.Context, method, url string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return nil, errs.From(fmt.Errorf("request %s %s: %w", method, url, err))
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, errs.From(fmt.Errorf("request %s %s: %w", method, url, err))
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json, "+ContentTypeProblem)
	return req, nil
}

// broken words a failure of the way between two services.
func broken(method string, err error) error {
	if method == http.MethodGet || method == http.MethodHead {
		e := errs.New(errs.Unavailable, errs.CodeUnavailable, "a part of the service cannot be reached; try again shortly").Wrap(err)
		e.RetryAfter = time.Second
		return e
	}
	if errors.Is(err, ErrNotSent) {
		e := errs.New(errs.Unavailable, errs.CodeUnavailable, "a part of the service cannot be reached; nothing was changed").Wrap(err)
		e.RetryAfter = time.Second
		return e
	}
	return errs.OutcomeUnknown(err)
}

// ErrNotSent is in the chain of a transport's error that is certain that the other side never saw the request.
var ErrNotSent = errors.New("the request was not sent")
