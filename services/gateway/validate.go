package gateway

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// validate holds the request against the contract, so that a service sees only what it has said it takes.
func (s *Service) validate(x *exchange) error {
	return x.op.CheckRequest(x.c.Request(), x.segments, x.body)
}

// sayAgainEvery is how often a log line says that answers of one operation break its contract.
const sayAgainEvery = time.Minute

// answerChecks holds answers against the contract: those of releases on trial always, of the others a sample. What an
// answer says otherwise is counted and logged. The answer is passed on all the same: what it tells of has been done, and a caller
// who is told of a failure would do it again. It is safe for concurrent use.
type answerChecks struct {
	oneIn   int64
	log     *slog.Logger
	now     func() time.Time
	seen    atomic.Int64
	results *prometheus.CounterVec // nil: nothing is measured

	mu   sync.Mutex
	said map[string]time.Time // by operation, when the log last told
}

func newAnswerChecks(oneIn int, log *slog.Logger, now func() time.Time, reg prometheus.Registerer) *answerChecks {
	a := &answerChecks{oneIn: int64(oneIn), log: log, now: now, said: map[string]time.Time{}}
	if reg != nil {
		a.results = prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_answers_checked_total",
			Help: "Answers that were held against the contract: all of releases on trial, a sample of the others.",
		}, []string{"version", "result"})
		reg.MustRegister(a.results)
	}
	return a
}

// broken tells whether the answer was looked at and is otherwise than the contract says.
func (a *answerChecks) broken(x *exchange) bool {
	if !x.target.Trial() && (a.oneIn <= 0 || a.seen.Add(1)%a.oneIn != 0) {
		return false
	}
	faults := x.op.CheckAnswer(x.answer.status, x.answer.header.Get("Content-Type"), x.answer.body)
	if len(faults) == 0 {
		a.count(x.target.App, "good")
		return false
	}
	a.count(x.target.App, "bad")
	if a.speaks(x.target.App + " " + x.op.String()) {
		a.log.LogAttrs(x.c.Request().Context(), slog.LevelError, "an answer is not as its contract says; it was passed on",
			slog.String("of", x.target.App), slog.String("operation", x.op.String()), slog.Int("status", x.answer.status), slog.Any("faults", faults))
	}
	return true
}

func (a *answerChecks) count(version, result string) {
	if a.results != nil {
		a.results.WithLabelValues(version, result).Inc()
	}
}

// speaks tells whether the log has not told of this for a while.
func (a *answerChecks) speaks(of string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if last, ok := a.said[of]; ok && now.Sub(last) < sayAgainEvery {
		return false
	}
	a.said[of] = now
	return true
}
