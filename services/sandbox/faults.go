package sandbox

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// The faults that a part of the sandbox can have.
const (
	faultNone      = "ok"
	faultDown      = "down"
	faultSlow      = "slow"
	faultError     = "error"
	faultLostReply = "lost_reply"
)

var faultModes = []string{faultNone, faultDown, faultSlow, faultError, faultLostReply}

// Switches is the body of POST /faults, where absent members stay as they are, and the answer of GET /faults.
type Switches struct {
	Payment string `json:"payment,omitzero"`
	Mail    string `json:"mail,omitzero"`
	SMS     string `json:"sms,omitzero"`
	// Struck counts the calls of the payment provider that a switch made fail or wait; it is only in answers.
	Struck int64 `json:"payment_struck,omitzero"`
}

// faults holds the switches. It is safe for concurrent use.
type faults struct {
	slow time.Duration

	mu  sync.Mutex
	now Switches
}

func newFaults(slow time.Duration) *faults {
	return &faults{slow: slow, now: Switches{Payment: faultNone, Mail: faultNone, SMS: faultNone}}
}

func (f *faults) get() Switches {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// set turns the switches that are named, all or none.
func (f *faults) set(s Switches) (Switches, error) {
	for field, mode := range map[string]string{"/payment": s.Payment, "/mail": s.Mail, "/sms": s.SMS} {
		if mode != "" && !slices.Contains(faultModes, mode) {
			return Switches{}, errs.InvalidField(field, "must be one of ok, down, slow, error, lost_reply")
		}
	}
	if s.Struck != 0 {
		return Switches{}, errs.InvalidField("/payment_struck", "is counted here and cannot be set")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range []struct{ to, from *string }{{&f.now.Payment, &s.Payment}, {&f.now.Mail, &s.Mail}, {&f.now.SMS, &s.SMS}} {
		if *one.from != "" {
			*one.to = *one.from
		}
	}
	return f.now, nil
}

// wait is how long a slow part takes.
func (f *faults) wait(ctx context.Context) {
	timer := time.NewTimer(f.slow)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// strike gives the provider's switch and counts the call if it will suffer from it.
func (f *faults) strike() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now.Payment != faultNone {
		f.now.Struck++
	}
	return f.now.Payment
}

// guard puts a switch before a handler.
func (f *faults) guard(mode func() string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			switch mode() {
			case faultDown:
				return hangUp(c)
			case faultError:
				return errs.New(errs.Internal, "broken", "the sandbox was told to fail")
			case faultSlow:
				f.wait(c.Request().Context())
			case faultLostReply:
				// What the handler answers is thrown away, also a refusal.
				kept := c.Response().Writer
				c.Response().Writer = &nowhere{header: http.Header{}}
				_ = next(c)
				c.Response().Writer = kept
				return hangUp(c)
			}
			return next(c)
		}
	}
}

// nowhere takes an answer that nobody gets.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}

// hangUp breaks the connection without an answer.
func hangUp(c echo.Context) error {
	conn, _, err := http.NewResponseController(c.Response().Writer).Hijack()
	if err != nil {
		return err
	}
	c.Response().Committed = true
	return conn.Close()
}

func (s *Sandbox) getFaults(c echo.Context) error { return c.JSON(http.StatusOK, s.faults.get()) }

func (s *Sandbox) postFaults(c echo.Context) error {
	var body Switches
	if err := httpx.Decode(c, &body); err != nil {
		return err
	}
	now, err := s.faults.set(body)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, now)
}
