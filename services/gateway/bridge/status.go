package bridge

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// Domain is that of our ErrorInfo.
const Domain = "sidecart"

// Keys of ErrorInfo's metadata beside the problem document's own members.
const (
	infoStatus = "http_status"
	infoTrace  = "trace_id"
)

// codeOf is the gRPC code of each kind of error. Where gRPC has one name for two kinds, ErrorInfo tells them apart.
var codeOf = map[errs.Kind]codes.Code{
	errs.Internal:         codes.Internal,
	errs.Invalid:          codes.InvalidArgument,
	errs.Unauthenticated:  codes.Unauthenticated,
	errs.Forbidden:        codes.PermissionDenied,
	errs.NotFound:         codes.NotFound,
	errs.MethodNotAllowed: codes.Unimplemented,
	errs.Conflict:         codes.FailedPrecondition,
	errs.Gone:             codes.NotFound,
	errs.TooLarge:         codes.InvalidArgument,
	errs.UnsupportedMedia: codes.InvalidArgument,
	errs.Unprocessable:    codes.InvalidArgument,
	errs.TooMany:          codes.ResourceExhausted,
	errs.Unavailable:      codes.Unavailable,
}

// kindOfCode is the kind of an error that a service worded in gRPC alone. Unknown is what a sidecar says that finds no such app, and what
// comes of an error that the service gave no code: neither tells whether anything has changed.
var kindOfCode = map[codes.Code]errs.Kind{
	codes.InvalidArgument: errs.Invalid, codes.OutOfRange: errs.Invalid, codes.Unauthenticated: errs.Unauthenticated,
	codes.PermissionDenied: errs.Forbidden, codes.NotFound: errs.NotFound, codes.Unimplemented: errs.Internal,
	codes.FailedPrecondition: errs.Conflict, codes.AlreadyExists: errs.Conflict, codes.Aborted: errs.Conflict,
	codes.ResourceExhausted: errs.TooMany, codes.Unavailable: errs.Unavailable, codes.DeadlineExceeded: errs.Unavailable,
	codes.Canceled: errs.Unavailable, codes.Unknown: errs.Unavailable,
}

// statusOf makes the status of a problem document. Members of its own become metadata of ErrorInfo, texts as they are and
// everything else as JSON.
func statusOf(e *errs.Error, traceID string) error {
	info := &errdetails.ErrorInfo{Reason: strings.ToUpper(e.Code), Domain: Domain, Metadata: map[string]string{
		infoStatus: strconv.Itoa(e.Kind.Status()),
	}}
	if traceID != "" {
		info.Metadata[infoTrace] = traceID
	}
	for name, v := range e.Extra {
		raw, err := json.Marshal(v, json.Deterministic(true))
		var text string
		if err == nil && json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		info.Metadata[name] = text
	}
	details := []protoadapt.MessageV1{protoadapt.MessageV1Of(info)}
	if len(e.Fields) > 0 {
		bad := &errdetails.BadRequest{}
		for _, f := range e.Fields {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: f.Field, Description: f.Message})
		}
		details = append(details, protoadapt.MessageV1Of(bad))
	}
	if e.RetryAfter > 0 {
		details = append(details, protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)}))
	}
	s := status.New(codeOf[e.Kind], e.Message)
	if with, err := s.WithDetails(details...); err == nil {
		s = with
	}
	return s.Err()
}

// errorOf reads back what statusOf wrote, or takes the code of a service that knows nothing of ErrorInfo. A failure that
// gRPC itself reports may have come after the call took effect.
func errorOf(err error, changes bool) *errs.Error {
	s := status.Convert(err)
	kind := kindOfCode[s.Code()]
	e := errs.New(kind, plainCode(kind), s.Message())
	worded := false
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() != Domain {
				continue
			}
			worded = true
			if code, err := strconv.Atoi(d.GetMetadata()[infoStatus]); err == nil && code >= http.StatusBadRequest {
				e.Kind = errs.KindOf(code)
			}
			e.Code = strings.ToLower(d.GetReason())
			for name, v := range d.GetMetadata() {
				if name != infoStatus && name != infoTrace {
					e = e.With(name, v)
				}
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				e.Fields = append(e.Fields, errs.Field{Field: v.GetField(), Message: v.GetDescription()})
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = d.GetRetryDelay().AsDuration()
		}
	}
	switch {
	case worded:
		return e
	case e.Kind == errs.Unavailable && changes:
		return errs.OutcomeUnknown(err)
	case e.Kind == errs.Unavailable || e.Kind == errs.Internal: // what it says is about our inside
		return errs.New(e.Kind, e.Code, "a part of the service cannot do this now").Wrap(err)
	}
	return e.Wrap(err)
}

// plainCode is the problem code for a kind of error that nobody gave one.
func plainCode(kind errs.Kind) string {
	switch kind {
	case errs.Invalid:
		return errs.CodeInvalidRequest
	case errs.NotFound:
		return errs.CodeNotFound
	case errs.Unavailable:
		return errs.CodeUnavailable
	case errs.Internal:
		return errs.CodeInternal
	}
	return strings.ReplaceAll(strings.ToLower(http.StatusText(kind.Status())), " ", "_")
}

// readAnswer gives nil for a success, and else the status of the problem document. The end of the caller's own time is
// told as gRPC tells it.
func readAnswer(ctx context.Context, code int, h http.Header, body []byte) error {
	if code < http.StatusMultipleChoices {
		return nil
	}
	switch ctx.Err() {
	case context.DeadlineExceeded:
		return status.Error(codes.DeadlineExceeded, "the call's deadline is over; a change may have happened, and repeating it is safe")
	case context.Canceled:
		return status.Error(codes.Canceled, "the call was cancelled")
	}
	resp := &http.Response{StatusCode: code, Header: h, Body: bodyOf(body)}
	e := httpx.ReadProblem(resp)
	var problem struct {
		TraceID string `json:"trace_id"`
	}
	_ = json.Unmarshal(body, &problem) // ReadProblem has said what there is to say of what is no problem document
	return statusOf(e, problem.TraceID)
}
