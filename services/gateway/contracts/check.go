package contracts

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// CheckRequest holds a request against the contract: its parameters, and its body, which has been read. segments are those
// of its path. The error names each field, the rule that it breaks and the JSON type of what came, and never a value.
func (o *Operation) CheckRequest(r *http.Request, segments []string, body []byte) error {
	faults := o.parameters.check(nil, segments, r)
	if o.body.said {
		var err error
		if faults, err = o.checkBody(faults, r, body); err != nil {
			return err
		}
	}
	if len(faults) == 0 {
		return nil
	}
	message := faults[0].Field + ": " + faults[0].Message
	if more := len(faults) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more)", more)
	}
	e := errs.New(errs.Invalid, errs.CodeInvalidRequest, message)
	e.Fields = faults
	return e
}

// checkBody appends what is wrong with a body. Its error is of one that is not what it says to be.
func (o *Operation) checkBody(into []errs.Field, r *http.Request, body []byte) ([]errs.Field, error) {
	if len(body) == 0 && !o.body.required {
		return into, nil
	}
	if len(o.body.others) > 0 && slices.Contains(o.body.others, plainType(r.Header.Get("Content-Type"))) {
		return into, nil // not JSON: the service's to read
	}
	if !o.body.json {
		e := errs.Newf(errs.UnsupportedMedia, httpx.CodeUnsupportedMedia, "Content-Type: must be one of %v", o.body.others)
		e.Fields = []errs.Field{{Field: "Content-Type", Message: e.Message}}
		return into, e
	}
	if err := httpx.CheckJSONContent(r); err != nil {
		return into, err
	}
	if isBlank(body) {
		return append(into, errs.Field{Field: "body", Message: "must not be empty", Rule: "required"}), nil
	}
	faults, err := checkJSON(o.body.schema, body, false)
	if err != nil {
		return into, httpx.JSONError(err)
	}
	return append(into, faults...), nil
}

// CheckAnswer lists what an answer says otherwise than the contract; none if it is as it says.
func (o *Operation) CheckAnswer(status int, contentType string, body []byte) []errs.Field {
	says, known := o.answerTo(status)
	switch {
	case !known:
		return []errs.Field{{Field: "status", Message: fmt.Sprintf("%d is not in the contract", status), Rule: "responses"}}
	case len(body) == 0 && says.schema == nil:
		return nil
	case len(says.types) == 0:
		return nil // a contract that describes no body does not forbid one
	case !slices.ContainsFunc(says.types, func(t string) bool { return plainType(t) == plainType(contentType) }):
		return []errs.Field{{Field: "Content-Type", Message: fmt.Sprintf("must be one of %v", says.types), Rule: "content"}}
	case !isJSON(contentType):
		return nil
	}
	faults, err := checkJSON(says.schema, body, true)
	if err != nil {
		return []errs.Field{{Field: "body", Message: "is not JSON", Rule: "content"}}
	}
	return faults
}

func isBlank(body []byte) bool {
	for _, c := range body {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}
