package httpx

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// HeaderWithin carries how much of a caller's time is left from one process to the next, in whole milliseconds: a length and
// not a moment, because clocks differ. From outside it is not believed. Within a process the context's deadline does this.
const HeaderWithin = "Sidecart-Within"

// maxWithin bounds what is read, against overflow; every listener's own deadline is far below.
const maxWithin = time.Hour

// PutWithin writes what is left of ctx's time into the headers of a request to another process. An end that is over is told as
// one millisecond: the one who is asked then refuses by itself.
func PutWithin(ctx context.Context, h http.Header) {
	if end, ok := ctx.Deadline(); ok {
		h[HeaderWithin] = []string{strconv.FormatInt(max(1, time.Until(end).Milliseconds()), 10)}
	}
}

// within reads what PutWithin wrote; byDefault if there is nothing, or nothing that makes sense.
func within(h http.Header, byDefault time.Duration) time.Duration {
	values := h[HeaderWithin]
	if len(values) != 1 {
		return byDefault
	}
	ms, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || ms < 1 || ms > maxWithin.Milliseconds() {
		return byDefault
	}
	return min(byDefault, time.Duration(ms)*time.Millisecond)
}

type callersEndKey struct{}

// WithCallersEnd notes in ctx when the time is over that a caller from outside has brought along. It is no deadline by itself.
func WithCallersEnd(ctx context.Context, end time.Time) context.Context {
	return context.WithValue(ctx, callersEndKey{}, end)
}

// GaveUp tells whether nobody waits any more for what ctx is of: its caller has gone away, or the time that he brought along is over
// (WithCallersEnd). That says nothing of whoever was to answer; when the time is over that we give, they were too slow.
func GaveUp(ctx context.Context) bool {
	if ctx.Err() == nil {
		return false
	}
	end, brought := ctx.Value(callersEndKey{}).(time.Time)
	return errors.Is(ctx.Err(), context.Canceled) || brought && !time.Now().Before(end)
}
