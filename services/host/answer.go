package host

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// maxHeldBytes is how much of an answer is held back before it starts to stream. Nearly every answer is smaller
// and is handed over in one piece, without a pipe between two goroutines.
const maxHeldBytes = 64 << 10

var errAborted = errors.New("the handler gave up in the middle of its answer")

// answer is the ResponseWriter of an in-process call. Its methods are called by the handler's goroutine only.
type answer struct {
	caller  context.Context // ends when nobody waits for the answer any more; the request's own ends with its handler
	request *http.Request
	header  http.Header
	status  int // 0 until it is written
	held    whole
	pipe    *io.PipeWriter // set once the answer streams
	unhook  func() bool    // of the pipe from the caller's context
	ready   chan outcome   // gets exactly one value; buffered, so nobody has to be there
}

type outcome struct {
	resp *http.Response
	err  error
}

// whole is the body of an answer that is complete. Its Bytes are the reader's alone: who wants them all need not copy them.
type whole struct{ bytes.Buffer }

// Close implements io.Closer.
func (*whole) Close() error { return nil }

// Header is what the handler may change until it writes. What it changes afterwards changes nothing, unless it has kept the map from
// before and the answer is not yet handed over: that costs a copy for each answer to prevent, and none of our handlers does it.
func (a *answer) Header() http.Header {
	if a.status != 0 && a.pipe == nil {
		return a.header.Clone()
	}
	return a.header // of a stream it is nobody's but the handler's
}

// WriteHeader sets the status once; informational ones are dropped.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
}

// Write adds to the body; once the answer streams it waits for the reader.
func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.request.Method == http.MethodHead {
		return len(b), nil
	}
	if a.pipe == nil && a.held.Len()+len(b) <= maxHeldBytes {
		return a.held.Write(b)
	}
	a.Flush()
	return a.pipe.Write(b)
}

// Flush hands the answer over as far as it is; from here on it streams. The pipe ends when the reader closes the
// body, when the caller's context ends, and when the handler returns, whichever is first.
func (a *answer) Flush() {
	a.WriteHeader(http.StatusOK)
	if a.pipe != nil {
		return
	}
	reader, writer := io.Pipe()
	a.unhook = context.AfterFunc(a.caller, func() { _ = writer.CloseWithError(a.caller.Err()) })
	a.pipe = writer
	body := struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(a.held.Bytes()), reader), reader}
	resp := a.response(body, -1)
	resp.Header = a.header.Clone() // the handler goes on, with its own, while the answer is read
	a.ready <- outcome{resp: resp}
}

// finish ends the answer after the handler returned or panicked with p.
func (a *answer) finish(p any) {
	if a.pipe != nil {
		var err error
		if p != nil {
			err = errAborted
		}
		_ = a.pipe.CloseWithError(err) // nil is the ordinary end
		a.unhook()
		return
	}
	if p == http.ErrAbortHandler {
		a.ready <- outcome{err: errAborted}
		return
	}
	if p != nil {
		a.status, a.header = 0, http.Header{}
		a.held.Reset()
		httpx.WriteProblem(a, a.request, errs.From(errors.New("panic")))
	}
	a.WriteHeader(http.StatusOK)
	a.ready <- outcome{resp: a.response(&a.held, int64(a.held.Len()))}
}

func (a *answer) response(body io.ReadCloser, length int64) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: body, ContentLength: length, Request: a.request,
	}
}
