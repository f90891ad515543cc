package httpx

import (
	"bytes"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Codes that this package answers with, beside those of errs.
const (
	CodeMethodNotAllowed = "method_not_allowed"
	CodeBodyTooLarge     = "body_too_large"
	CodeUnsupportedMedia = "unsupported_media_type"
)

// ContentTypeProblem is the media type of RFC 9457.
const ContentTypeProblem = "application/problem+json"

// maxProblemBytes bounds a problem document that another service sends.
const maxProblemBytes = 64 << 10

// typePrefix and instancePrefix make codes and request ids into the URIs that RFC 9457 asks for. They name
// and do not locate: nothing has to be served there.
const (
	typePrefix     = "urn:sidecart:problem:"
	instancePrefix = "urn:sidecart:request:"
)

// Problem is the RFC 9457 document of an error. In JSON the members of Extra stand beside the others; read back,
// each of them is a jsontext.Value.
type Problem struct {
	Type     string         `json:"type"`
	Title    string         `json:"title"`
	Status   int            `json:"status"`
	Detail   string         `json:"detail"`
	Instance string         `json:"instance,omitzero"`
	Code     string         `json:"code"`
	TraceID  string         `json:"trace_id"`
	Errors   []errs.Field   `json:"errors,omitempty"`
	Extra    map[string]any `json:"-"`
}

// standard are the members that Extra cannot have.
var standard = []string{"type", "title", "status", "detail", "instance", "code", "trace_id", "errors"}

// plainProblem is a Problem without its methods.
type plainProblem Problem

// MarshalJSON writes the standard members and then those of Extra by name. It fails if one of these cannot be JSON.
func (p Problem) MarshalJSON() ([]byte, error) { return p.appendTo(nil) }

// appendTo is MarshalJSON into b. It is written out because refusals are many when something is sold out.
func (p Problem) appendTo(b []byte) ([]byte, error) {
	b = appendMember(append(b, '{'), "type", p.Type)
	b = appendMember(append(b, ','), "title", p.Title)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(p.Status), 10)
	b = appendMember(append(b, ','), "detail", p.Detail)
	if p.Instance != "" {
		b = appendMember(append(b, ','), "instance", p.Instance)
	}
	b = appendMember(append(b, ','), "code", p.Code)
	b = appendMember(append(b, ','), "trace_id", p.TraceID)
	for i, f := range p.Errors {
		b = append(b, [2]string{`,"errors":[{`, `,{`}[min(i, 1)]...)
		b = appendMember(b, "field", f.Field)
		b = appendMember(append(b, ','), "message", f.Message)
		if f.Rule != "" {
			b = appendMember(append(b, ','), "rule", f.Rule)
		}
		if f.Type != "" {
			b = appendMember(append(b, ','), "type", f.Type)
		}
		b = append(b, '}')
	}
	if len(p.Errors) > 0 {
		b = append(b, ']')
	}
	names := make([]string, 0, 8) // few have more, and so many need no heap
	for name := range p.Extra {
		if !slices.Contains(standard, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		b = append(appendString(append(b, ','), name), ':')
		var err error
		if b, err = appendValue(b, p.Extra[name]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendValue appends v as JSON, the usual types of extra members without the detour through an encoder.
func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return appendString(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	}
	encoded, err := json.Marshal(v, json.Deterministic(true))
	return append(b, encoded...), err
}

// appendMember appends a member whose name needs no escapes.
func appendMember(b []byte, name, value string) []byte {
	return appendString(append(append(append(b, '"'), name...), `":`...), value)
}

// appendString appends s as JSON. What is not UTF-8 in it becomes U+FFFD: nobody is told more by no document at all.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Problem) UnmarshalJSON(b []byte) error {
	var all map[string]jsontext.Value
	if err := errors.Join(json.Unmarshal(b, (*plainProblem)(p)), json.Unmarshal(b, &all)); err != nil {
		return err
	}
	p.Extra = nil
	for name, v := range all {
		if slices.Contains(standard, name) {
			continue
		}
		if p.Extra == nil {
			p.Extra = map[string]any{}
		}
		p.Extra[name] = v
	}
	return nil
}

// WriteProblem answers r with the problem document of err; the cause of err stays here.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	e := errs.From(err)
	ctx := ensureTrace(callersTrace(r))
	p := Problem{
		Type: typePrefix + e.Code, Title: title(e.Code), Status: e.Kind.Status(), Detail: e.Message,
		Code: e.Code, TraceID: TraceID(ctx), Errors: e.Fields, Extra: e.Extra,
	}
	if id := RequestID(ctx); id != "" {
		p.Instance = instancePrefix + id
	}
	buffer := takeBuffer()
	defer giveBuffer(buffer)
	body, marshalErr := p.appendTo(buffer.AvailableBuffer())
	if marshalErr != nil {
		// An extra that cannot be JSON is a programmer's mistake; the caller still gets an honest document.
		p.Extra = nil
		body, _ = p.appendTo(buffer.AvailableBuffer())
	}
	h := w.Header()
	h["Content-Type"], h["Cache-Control"] = problemContent, noStore
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(e.RetryAfter.Seconds())), 10))
	}
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone: nobody is left to tell
	}
}

// title is the code for people: sold_out becomes "Sold out".
func title(code string) string {
	if code == "" {
		return ""
	}
	words := []byte(code)
	for i, c := range words {
		if c == '_' {
			words[i] = ' '
		}
	}
	if 'a' <= words[0] && words[0] <= 'z' {
		words[0] -= 'a' - 'A'
	}
	return string(words)
}

// IsProblem tells whether resp carries a problem document.
func IsProblem(resp *http.Response) bool {
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && mediaType == ContentTypeProblem
}

// ReadProblem reads the error that another service answered with. It consumes the body and does not close it.
// An answer that is not a problem document becomes an Internal error whose cause tells what came.
// Extra members come back as jsontext.Value.
func ReadProblem(resp *http.Response) *errs.Error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblemBytes))
	if err != nil || !IsProblem(resp) {
		return errs.From(&badAnswer{status: resp.StatusCode, body: body, err: err})
	}
	var p Problem
	if err := json.Unmarshal(body, &p); err != nil || p.Code == "" {
		return errs.From(&badAnswer{status: resp.StatusCode, body: body, err: err})
	}
	e := errs.New(errs.KindOf(resp.StatusCode), p.Code, p.Detail)
	e.Fields = p.Errors
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	for name, v := range p.Extra {
		e = e.With(name, v)
	}
	return e
}

// badAnswer is an answer that none of our services gives: something between us and them answered.
type badAnswer struct {
	status int
	body   []byte
	err    error
}

// Error is for the log and shows the beginning of the body.
func (b *badAnswer) Error() string {
	const maxShownBytes = 200
	shown := bytes.ToValidUTF8(b.body[:min(len(b.body), maxShownBytes)], nil)
	text := "answer " + strconv.Itoa(b.status) + " is not a problem document: " + string(shown)
	if b.err != nil {
		text += ": " + b.err.Error()
	}
	return text
}

// Unwrap gives the error of reading the body, if that is what went wrong.
func (b *badAnswer) Unwrap() error { return b.err }

func tooLarge(maxBytes int64) *errs.Error {
	e := errs.Newf(errs.TooLarge, CodeBodyTooLarge, "the body is over %d bytes", maxBytes)
	e.Fields = []errs.Field{{Field: "body", Message: e.Message}}
	return e
}
