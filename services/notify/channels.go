package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
)

// Names of the output bindings.
const (
	bindingMail = "mail"
	bindingSMS  = "sms"
)

// sender hands messages to the bindings.
type sender struct {
	bindings sidecar.Bindings
	from     string // of mails
}

// send makes the effect of one task; see task.Deps.
func (s sender) send(ctx context.Context, m notifyapi.Message) task.Outcome {
	if m.Channel == notifyapi.ChannelSMS {
		return s.sendSMS(ctx, m)
	}
	return s.sendMail(ctx, m)
}

// sendMail never learns why a mail was refused: the binding reports every failure alike, so all are repeated.
func (s sender) sendMail(ctx context.Context, m notifyapi.Message) task.Outcome {
	if !isAddress(m.To) {
		return task.GiveUp("the address is not one that mail can be sent to")
	}
	_, err := s.bindings.Invoke(ctx, bindingMail, "create", []byte(mailBody(m, httpx.TraceID(ctx))), mailMetadata(m, s.from, httpx.TraceID(ctx)))
	if err != nil {
		return notSent(ctx, err, "the mail server")
	}
	return task.Recorded(recordSent{MessageID: m.ID})
}

// smsRequest is what the SMS gateway is asked.
type smsRequest struct {
	To   string `json:"to"`
	Text string `json:"text"`
}

func (s sender) sendSMS(ctx context.Context, m notifyapi.Message) task.Outcome {
	data, err := json.Marshal(smsRequest{To: bareNumber(m.To), Text: m.Text})
	if err != nil {
		return task.GiveUp("the message cannot be encoded")
	}
	headers := map[string]string{"Idempotency-Key": m.ID, "Content-Type": "application/json"}
	if id := httpx.TraceID(ctx); id != "" {
		headers[httpx.HeaderTraceID] = id
	}
	_, err = s.bindings.Invoke(ctx, bindingSMS, "post", data, headers)
	if refused, ok := errors.AsType[*sidecar.BindingError](err); ok {
		switch refused.Status {
		case http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusGone, http.StatusRequestEntityTooLarge,
			http.StatusUnprocessableEntity: // about this message
			return task.GiveUp(fmt.Sprintf("the SMS gateway refused it (%d)", refused.Status))
		}
		return task.TryAgain(fmt.Sprintf("the SMS gateway answered %d", refused.Status))
	}
	if err != nil {
		return notSent(ctx, err, "the SMS gateway")
	}
	return task.Recorded(recordSent{MessageID: m.ID})
}

// bareNumber leaves the digits of a phone number and a plus sign before them.
func bareNumber(phone string) string {
	return strings.Map(func(r rune) rune {
		if r == '+' || (r >= '0' && r <= '9') {
			return r
		}
		return -1
	}, phone)
}

// notSent is what an error of the binding means.
func notSent(ctx context.Context, err error, who string) task.Outcome {
	if errors.Is(err, sidecar.ErrCircuitOpen) {
		return task.NotNow(who + " did not answer lately and is not asked for now")
	}
	return task.TryAgain(failure(ctx, who))
}

// failure is a reason that operators may see: never an address, a URL or the text of a driver.
func failure(ctx context.Context, who string) string {
	if ctx.Err() != nil {
		return who + " did not answer in time"
	}
	return who + " cannot be reached or refused the message"
}

// isAddress accepts exactly one bare address: the binding would read separators as further recipients, and line
// ends as headers.
func isAddress(s string) bool {
	if strings.ContainsAny(s, "\r\n\t ,;<>\"()") {
		return false
	}
	parsed, err := mail.ParseAddress(s)
	return err == nil && parsed.Address == s
}
