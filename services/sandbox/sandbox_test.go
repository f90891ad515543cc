package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

// running is a sandbox over real HTTP and SMTP.
type running struct {
	t    *testing.T
	base string
	smtp string
	stop func()
}

func run(t *testing.T, dir string) *running {
	s, err := New(Config{Dir: dir, Slow: 20 * time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-ended:
		require.NoError(t, err)
	}
	web, mail := s.Addresses()
	stop := sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return &running{t: t, base: "http://" + web, smtp: mail, stop: stop}
}

// answerOf is what came back; status 0 is a broken connection.
type answerOf struct {
	status int
	body   map[string]any
}

func (r *running) post(path, key, body string) answerOf {
	req, err := http.NewRequest(http.MethodPost, r.base+path, bytes.NewBufferString(body))
	require.NoError(r.t, err)
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return answerOf{}
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(r.t, err)
	a := answerOf{status: res.StatusCode}
	require.NoError(r.t, json.Unmarshal(raw, &a.body), "%s", raw)
	return a
}

func get[R any](r *running, path string) httpx.List[R] {
	res, err := http.Get(r.base + path)
	require.NoError(r.t, err)
	defer func() { _ = res.Body.Close() }()
	require.Equal(r.t, http.StatusOK, res.StatusCode)
	var list httpx.List[R]
	require.NoError(r.t, json.UnmarshalRead(res.Body, &list))
	return list
}

func (r *running) fault(body string) {
	require.Equal(r.t, http.StatusOK, r.post("/faults", "", body).status)
}

const charge = `{"amount":1250,"currency":"EUR","method":"card","order_id":"o1"}`

func TestChargeIsIdempotentAndOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	r := run(t, dir)
	first := r.post("/charges", "o1:1", charge)
	require.Equal(t, http.StatusCreated, first.status)
	require.NotEmpty(t, first.body["id"])
	again := r.post("/provider/charges", "o1:1", charge)
	require.Equal(t, http.StatusOK, again.status)
	require.Equal(t, first.body, again.body)
	other := r.post("/charges", "o1:1", `{"amount":1,"currency":"EUR","method":"card","order_id":"o1"}`)
	require.Equal(t, http.StatusConflict, other.status)
	require.Equal(t, "idempotency_key_reused", other.body["code"])
	r.stop()

	// A crash while the next record was written.
	path := filepath.Join(dir, "payments.jsonl")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(whole, whole[:len(whole)/2]...), 0o600))
	r = run(t, dir)
	require.Equal(t, first.body, r.post("/charges", "o1:1", charge).body)
	require.Len(t, get[Entry](r, "/charges").Items, 1)
}

func TestRefunds(t *testing.T) {
	dir := t.TempDir()
	r := run(t, dir)
	id := r.post("/charges", "o1:1", charge).body["id"].(string)
	refund := fmt.Sprintf(`{"charge_id":%q,"amount":1250,"currency":"EUR","order_id":"o1"}`, id)
	require.Equal(t, http.StatusNotFound, r.post("/refunds", "x", `{"charge_id":"ch_00","amount":1250,"currency":"EUR","order_id":"o1"}`).status)
	require.Equal(t, http.StatusUnprocessableEntity, r.post("/refunds", "x", fmt.Sprintf(`{"charge_id":%q,"amount":1,"currency":"EUR","order_id":"o1"}`, id)).status)
	first := r.post("/refunds", "refund:"+id, refund)
	require.Equal(t, http.StatusCreated, first.status)
	require.Equal(t, first.body, r.post("/refunds", "refund:"+id, refund).body)
	require.Equal(t, "already_refunded", r.post("/refunds", "another", refund).body["code"])
	r.stop()
	r = run(t, dir)
	require.Equal(t, first.body, r.post("/refunds", "refund:"+id, refund).body)
	require.Equal(t, "already_refunded", r.post("/refunds", "another", refund).body["code"])
	require.Len(t, get[Entry](r, "/refunds?order_id=o1").Items, 1)
	require.Empty(t, get[Entry](r, "/refunds?order_id=o2").Items)
}

func TestMethods(t *testing.T) {
	r := run(t, t.TempDir())
	with := func(method string) answerOf {
		return r.post("/charges", method, fmt.Sprintf(`{"amount":1,"currency":"EUR","method":%q,"order_id":"o"}`, method))
	}
	for range 2 {
		declined := with("card_declined")
		require.Equal(t, http.StatusPaymentRequired, declined.status)
		require.Equal(t, "card_declined", declined.body["code"])
	}
	require.Equal(t, http.StatusCreated, with("card_slow").status)
	require.Equal(t, "unknown_method", with("iou").body["code"])
	kinds := map[string]int{}
	for _, e := range get[Entry](r, "/charges").Items {
		kinds[e.Kind]++
	}
	require.Equal(t, map[string]int{"charge": 1, "declined": 1}, kinds)
}

func TestBadRequestsChangeNothing(t *testing.T) {
	r := run(t, t.TempDir())
	require.Equal(t, http.StatusBadRequest, r.post("/charges", "", charge).status)
	require.Equal(t, http.StatusBadRequest, r.post("/charges", "k", `{"amount":-1,"currency":"EUR","method":"card","order_id":"o"}`).status)
	require.Equal(t, http.StatusBadRequest, r.post("/charges", "k", `{"amount":1,"currency":"XXQ","method":"card","order_id":"o"}`).status)
	require.Equal(t, http.StatusBadRequest, r.post("/charges", "k", `{"tip":1}`).status)
	require.Equal(t, http.StatusBadRequest, r.post("/sms", "k", `{"to":"nobody","text":"hi"}`).status)
	require.Equal(t, http.StatusBadRequest, r.post("/sms", "k", `{"to":"+4930123456","text":""}`).status)
	require.Equal(t, http.StatusBadRequest, r.post("/faults", "", `{"payment":"on fire"}`).status)
	res, err := http.Get(r.base + "/charges?cursor=5")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	require.Empty(t, get[Entry](r, "/charges").Items)
	require.Empty(t, get[Text](r, "/sms").Items)
}

func TestOneKeyAtTheSameMoment(t *testing.T) {
	r := run(t, t.TempDir())
	var wg sync.WaitGroup
	ids := make([]any, 20)
	for i := range ids {
		wg.Go(func() { ids[i] = r.post("/charges", "o1:1", charge).body["id"] })
	}
	wg.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	require.Len(t, get[Entry](r, "/charges").Items, 1)
}

func TestPaymentFaults(t *testing.T) {
	r := run(t, t.TempDir())
	for i, c := range []struct {
		mode   string
		status int
		done   int
	}{{"down", 0, 0}, {"error", 500, 0}, {"lost_reply", 0, 1}, {"slow", 201, 1}, {"ok", 201, 1}} {
		r.fault(fmt.Sprintf(`{"payment":%q}`, c.mode))
		order := fmt.Sprint("o", i)
		body := fmt.Sprintf(`{"amount":1,"currency":"EUR","method":"card","order_id":%q}`, order)
		require.Equal(t, c.status, r.post("/charges", order, body).status, c.mode)
		require.Len(t, get[Entry](r, "/charges?order_id="+order).Items, c.done, c.mode)
		r.fault(`{"payment":"ok"}`)
		require.Less(t, r.post("/charges", order, body).status, 300, c.mode)
		require.Len(t, get[Entry](r, "/charges?order_id="+order).Items, 1, c.mode)
	}
}

func TestTexts(t *testing.T) {
	dir := t.TempDir()
	r := run(t, dir)
	const body = `{"to":"+4930123456","text":"Your order is paid."}`
	require.Equal(t, http.StatusOK, r.post("/sms", "m1", body).status)
	require.Equal(t, http.StatusOK, r.post("/sms", "m1", body).status)
	r.fault(`{"sms":"lost_reply"}`)
	require.Zero(t, r.post("/sms", "m2", body).status)
	r.fault(`{"sms":"error"}`)
	require.Equal(t, 500, r.post("/sms", "m3", body).status)
	r.stop()
	r = run(t, dir)
	require.Equal(t, http.StatusOK, r.post("/sms", "m2", body).status)
	items := get[Text](r, "/sms?to="+url.QueryEscape("+4930123456")).Items
	require.Len(t, items, 2)
	require.Equal(t, []string{"m1", "m2"}, []string{items[0].ID, items[1].ID})
}

func (r *running) mail(body string) error {
	return smtp.SendMail(r.smtp, nil, "shop@example.org", []string{"ann@example.org"}, []byte(body))
}

func TestMail(t *testing.T) {
	dir := t.TempDir()
	r := run(t, dir)
	require.NoError(t, r.mail("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-Id: <m1@sidecart>\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>100=E2=82=AC</p>\r\n"))
	require.NoError(t, r.mail("Subject: plain\r\n\r\nHello\r\nMessage-ID: 6ba7b810-9dad-11d1-80b4-00c04fd430c8\r\n"))
	require.NoError(t, r.mail("Subject: from a sender without headers\r\nMessage-Id: <made-by-a-mailer@example.org>\r\n\r\nHello\r\nMessage-ID: 7ba7b810-9dad-11d1-80b4-00c04fd430c8\r\n"))
	require.NoError(t, r.mail("not a mail by the book"))
	r.stop()
	r = run(t, dir)
	items := get[Mail](r, "/mail?to=ann@example.org").Items
	require.Len(t, items, 4)
	require.Equal(t, "Grüße", items[0].Subject)
	require.Equal(t, "m1", items[0].MessageID)
	require.Equal(t, map[string]string{"Message-ID": "<m1@sidecart>"}, items[0].Header)
	require.Equal(t, "<p>100€</p>\r\n", items[0].Body)
	require.Equal(t, "6ba7b810-9dad-11d1-80b4-00c04fd430c8", items[1].MessageID)
	require.Empty(t, items[1].Header)
	require.Equal(t, "7ba7b810-9dad-11d1-80b4-00c04fd430c8", items[2].MessageID, "what the sender says and not what a mailer made")
	require.Equal(t, []string{"ann@example.org"}, items[1].To)
}

func TestMailFaults(t *testing.T) {
	r := run(t, t.TempDir())
	const body = "Subject: s\r\n\r\nHello\r\n"
	for _, c := range []struct {
		mode   string
		fails  bool
		stored int
	}{{"down", true, 0}, {"error", true, 0}, {"lost_reply", true, 1}, {"slow", false, 2}, {"ok", false, 3}} {
		r.fault(fmt.Sprintf(`{"mail":%q}`, c.mode))
		require.Equal(t, c.fails, r.mail(body) != nil, c.mode)
		require.Len(t, get[Mail](r, "/mail").Items, c.stored, c.mode)
	}
}

func TestMailThatIsDownGreetsNobody(t *testing.T) {
	r := run(t, t.TempDir())
	r.fault(`{"mail":"down"}`)
	conn, err := net.Dial("tcp", r.smtp)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	said, _ := io.ReadAll(conn) // it ends by EOF or a reset
	require.Empty(t, said)
}

func TestPageShowsAndEscapes(t *testing.T) {
	r := run(t, t.TempDir())
	r.post("/charges", "o1:1", charge)
	require.NoError(t, r.mail("Subject: <script>alert(1)</script>\r\n\r\nHello\r\n"))
	r.post("/sms", "m1", `{"to":"+4930123456","text":"Hi there"}`)
	res, err := http.Get(r.base + "/")
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	page, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Contains(t, string(page), "1250 EUR")
	require.Contains(t, string(page), "Hi there")
	require.Contains(t, string(page), "&lt;script&gt;alert")
	require.NotContains(t, string(page), "<script>alert")
	health, err := http.Get(r.base + "/healthz")
	require.NoError(t, err)
	require.NoError(t, health.Body.Close())
	require.Equal(t, http.StatusOK, health.StatusCode)
}

func TestConfig(t *testing.T) {
	_, err := New(Config{Host: "0.0.0.0", Port: -1})
	require.ErrorContains(t, err, "loopback")
	require.ErrorContains(t, err, "port")
	require.ErrorContains(t, err, "folder")

	cmd := Command()
	var cfg Config
	t.Setenv("APP_PORT", "1234")
	t.Setenv("SIDECART_SMTP_PORT", "2525")
	t.Setenv("SIDECART_DATA_DIR", "/data")
	require.NoError(t, fromEnv(cmd, &cfg))
	require.Equal(t, Config{Port: 1234, SMTPPort: 2525, Dir: "/data/sandbox"}, cfg)
	t.Setenv("SIDECART_SMTP_PORT", "none")
	require.ErrorContains(t, fromEnv(cmd, &cfg), "SIDECART_SMTP_PORT")
}
