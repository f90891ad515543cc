package sandbox

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// Text is a text message in the inbox.
type Text struct {
	ID   string    `json:"id"` // the sender's Idempotency-Key
	To   string    `json:"to"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
	// TraceID is the sender's X-Trace-Id.
	TraceID string `json:"trace_id,omitzero"`
}

// maxTextBytes bounds a text message.
const maxTextBytes = 2000

// texts is the gateway for text messages with its inbox. A repeat of a key is taken and dropped.
type texts struct {
	book *book[Text]
	now  func() time.Time

	mu    sync.Mutex
	known map[hash]bool
}

func openTexts(path string, now func() time.Time) (*texts, error) {
	t := &texts{now: now, known: map[hash]bool{}}
	var err error
	t.book, err = openBook(path, func(_ int64, m Text) error {
		t.known[hashOf("sms", m.ID)] = true
		return nil
	})
	return t, err
}

func (t *texts) post(c echo.Context) error {
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	var body struct {
		To   string `json:"to"`
		Text string `json:"text"`
	}
	if err := httpx.Decode(c, &body); err != nil {
		return err
	}
	switch {
	case !isPhone(body.To):
		return errs.InvalidField("/to", "must be 5 to 15 digits, perhaps after a plus sign")
	case body.Text == "" || len(body.Text) > maxTextBytes:
		return errs.InvalidField("/text", "must have 1 to %d bytes", maxTextBytes)
	}
	if err := t.keep(Text{ID: key, To: body.To, Text: body.Text, At: t.now().UTC(), TraceID: traceID(c)}); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]string{"id": key})
}

// keep puts the message on disk, once. Two at the same moment are both kept rather than the second one answered
// before the first is on disk.
func (t *texts) keep(m Text) error {
	h := hashOf("sms", m.ID)
	t.mu.Lock()
	known := t.known[h]
	t.mu.Unlock()
	if known {
		return nil
	}
	if _, err := t.book.append(m); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[h] = true
	return nil
}

// isPhone accepts 5 to 15 digits, perhaps after a plus sign.
func isPhone(s string) bool {
	s = strings.TrimPrefix(s, "+")
	return len(s) >= 5 && len(s) <= 15 && strings.Trim(s, "0123456789") == ""
}
