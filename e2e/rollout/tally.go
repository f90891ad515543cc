package rollout

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Tally counts what customers of a shop are answered. It is safe for concurrent use.
type Tally struct {
	mu       sync.Mutex
	requests int
	answers  map[string]int // what went wrong and may be repeated → how often
	failures []string       // what must not happen, one by one
	last     time.Time      // of the last answer that was no failure
	pause    time.Duration
	slowest  time.Duration
	slow     string // the call that took that
}

// maxFailures are told one by one.
const maxFailures = 20

// Through counts what goes through next.
func (t *Tally) Through(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		began := time.Now()
		resp, err := next.RoundTrip(r)
		t.note(r, resp, err, began)
		return resp, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (t *Tally) note(r *http.Request, resp *http.Response, err error, began time.Time) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	if took := now.Sub(began); took > t.slowest {
		t.slowest, t.slow = took, r.Method+" "+r.URL.Path
	}
	if t.answers == nil {
		t.answers = map[string]int{}
	}
	switch {
	case err != nil:
		t.answers["no answer"]++ // the outcome is unknown: repeating with the same id is safe
	case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		t.answers["503 "+code(resp)]++
	case resp.StatusCode >= http.StatusInternalServerError:
		if len(t.failures) < maxFailures {
			t.failures = append(t.failures, fmt.Sprintf("%s %s: %s", r.Method, r.URL.Path, resp.Status))
		}
	default:
		if !t.last.IsZero() {
			t.pause = max(t.pause, now.Sub(t.last))
		}
		t.last = now
	}
}

// code is the code of a problem document; the body can still be read after it.
func code(resp *http.Response) string {
	var problem struct{ Code string }
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil || json.Unmarshal(body, &problem) != nil {
		return "without a code"
	}
	return problem.Code
}

// Failures are the answers that nobody documents as safe to repeat.
func (t *Tally) Failures() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.failures)
}

// Repeats is the share of the requests, 0 to 1, that their callers had to repeat: those that were told so, and those without an answer.
func (t *Tally) Repeats() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	repeats := 0
	for _, n := range t.answers {
		repeats += n
	}
	return float64(repeats) / float64(max(t.requests, 1))
}

// String tells the facts.
func (t *Tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(t.answers)) {
		parts = append(parts, fmt.Sprintf("%d %s", t.answers[what], what))
	}
	if len(parts) == 0 {
		parts = []string{"none to be repeated"}
	}
	return fmt.Sprintf("%d requests, of which %s; at most %s without any answer; the slowest took %s (%s)",
		t.requests, strings.Join(parts, ", "), t.pause.Round(time.Millisecond), t.slowest.Round(time.Millisecond), t.slow)
}
