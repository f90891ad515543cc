package payment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/kit/task"
)

// bindingName is the output binding of the payment provider.
const bindingName = "payment-provider"

// maxDeclineReasonBytes bounds what is kept of a provider's reason.
const maxDeclineReasonBytes = 100

// chargeRequest is what the provider is asked.
type chargeRequest struct {
	Amount   int64  `json:"amount"` // minor units
	Currency string `json:"currency"`
	Method   string `json:"method"`
	OrderID  string `json:"order_id"`
}

type refundRequest struct {
	ChargeID string `json:"charge_id"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	OrderID  string `json:"order_id"`
}

// providerAnswer is what we read of an answer, good or bad; providers say more.
type providerAnswer struct {
	ID       string `json:"id"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Code     string `json:"code"` // why it was refused
}

// provider turns tasks into calls of the payment provider.
type provider struct {
	bindings sidecar.Bindings
}

// execute makes the effect of one task; see task.Deps.
func (p provider) execute(ctx context.Context, w work) task.Outcome {
	if w.refund != nil {
		return p.refund(ctx, w.orderID, w.refund)
	}
	return p.charge(ctx, w.orderID, w.charge)
}

// charge asks for the money. 402 and what says that the request itself is wrong (400, 422) are the answer "no";
// everything else that is not a yes leaves the outcome unknown.
func (p provider) charge(ctx context.Context, orderID string, c *charge) task.Outcome {
	answer, status, err := p.post(ctx, "/charges", chargeKey(orderID, c.Attempt), chargeRequest{
		Amount: c.Amount.Amount, Currency: c.Amount.Currency, Method: c.Method, OrderID: orderID,
	})
	switch {
	case status == http.StatusPaymentRequired, status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return task.Recorded(recordDeclined{OrderID: orderID, Attempt: c.Attempt, Reason: declineReason(answer, status)})
	case status == http.StatusConflict:
		return task.GiveUp("the provider knows this idempotency key for another request")
	case errors.Is(err, sidecar.ErrCircuitOpen):
		return task.NotNow(notAsked)
	case err != nil:
		return task.TryAgain(failure(status, err))
	}
	if answer.Amount != c.Amount.Amount || answer.Currency != c.Amount.Currency {
		return task.GiveUp("the provider charged another amount than was asked for")
	}
	return task.Recorded(recordCharged{
		OrderID: orderID, Attempt: c.Attempt, ChargeID: answer.ID, Amount: money.Of(answer.Amount, answer.Currency),
	})
}

// refund gives the money back. A refusal cannot be answered to anybody: it is for an operator.
func (p provider) refund(ctx context.Context, orderID string, r *refund) task.Outcome {
	answer, status, err := p.post(ctx, "/refunds", refundKey(r.ChargeID), refundRequest{
		ChargeID: r.ChargeID, Amount: r.Amount.Amount, Currency: r.Amount.Currency, OrderID: orderID,
	})
	switch {
	case refused(status):
		return task.GiveUp(fmt.Sprintf("the provider refused the refund (%s)", declineReason(answer, status)))
	case errors.Is(err, sidecar.ErrCircuitOpen):
		return task.NotNow(notAsked)
	case err != nil:
		return task.TryAgain(failure(status, err))
	}
	return task.Recorded(recordRefunded{OrderID: orderID, ChargeID: r.ChargeID, RefundID: answer.ID})
}

// refused tells whether the status says that repeating the same request gives the same answer.
func refused(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusPaymentRequired, http.StatusNotFound, http.StatusConflict, http.StatusGone,
		http.StatusUnprocessableEntity:
		return true
	default: // 401, 403, 408, 425, 429: ours to mend, or to be waited for
		return false
	}
}

const notAsked = "the provider did not answer lately and is not asked for now"

// errAnswer says that the provider answered something that is no answer.
var errAnswer = errors.New("the provider's answer cannot be read")

// post sends one request. status is that of a failing answer and 0 when there was none, or a good one.
func (p provider) post(ctx context.Context, path, idempotencyKey string, body any) (answer providerAnswer, status int, err error) {
	data, err := json.Marshal(body)
	if err != nil {
		return answer, 0, err
	}
	headers := map[string]string{"path": path, "Idempotency-Key": idempotencyKey, "Content-Type": "application/json"}
	if id := httpx.TraceID(ctx); id != "" {
		headers[httpx.HeaderTraceID] = id
	}
	res, err := p.bindings.Invoke(ctx, bindingName, "post", data, headers)
	if failed, ok := errors.AsType[*sidecar.BindingError](err); ok {
		_ = json.Unmarshal(failed.Data, &answer) // the reason is welcome, not needed
		return answer, failed.Status, err
	}
	if err != nil {
		return answer, 0, err
	}
	if err := json.Unmarshal(res.Data, &answer); err != nil || !providerID.MatchString(answer.ID) {
		return answer, 0, errAnswer
	}
	return answer, 0, nil
}

// providerID is what an id of a charge or refund may look like: it becomes part of keys and paths.
var providerID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// failure is a reason that operators may see: never a URL or the text of a driver.
func failure(status int, err error) string {
	switch {
	case status != 0:
		return fmt.Sprintf("the provider answered %d", status)
	case errors.Is(err, errAnswer):
		return errAnswer.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "the provider did not answer in time"
	default:
		return "the provider cannot be reached"
	}
}

// declineReason is the provider's code when it is one, else the status.
func declineReason(a providerAnswer, status int) string {
	if a.Code == "" || len(a.Code) > maxDeclineReasonBytes {
		return fmt.Sprintf("refused_%d", status)
	}
	for _, r := range a.Code {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return fmt.Sprintf("refused_%d", status)
		}
	}
	return a.Code
}
