package gateway

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

const strict = `
openapi: 3.0.3
info: {title: Strict, version: 1.0.0}
paths:
  /v1/cups/{cup}:
    put:
      operationId: putCup
      parameters:
        - {name: cup, in: path, required: true, schema: {type: string, pattern: '^[a-z]{1,8}$'}}
        - {name: Idempotency-Key, in: header, required: true, schema: {type: string, maxLength: 8}}
        - {name: dry, in: query, schema: {type: boolean}}
        - {name: size, in: query, schema: {type: integer, minimum: 1, maximum: 9}}
        - {name: tag, in: query, schema: {type: array, maxItems: 2, items: {type: string, enum: [hot, cold]}}}
      requestBody: {required: true, content: {application/json: {schema: {type: object, additionalProperties: false, required: [pin], properties: {pin: {type: string, pattern: '^[0-9]{4}$'}}}}}}
      responses: {'200': {description: ok, content: {application/json: {schema: {type: object, required: [pin], properties: {pin: {type: string}}}}}}}
`

func TestRequestsAreHeldAgainstTheContract(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(strict, nil)}}
	s := gatewayOf(t, u, nil)
	const good = `{"pin":"1234"}`
	for _, tc := range []struct {
		target, body  string
		fields, rules string
	}{
		{"/v1/cups/tea", good, "", ""},
		{"/v1/cups/tea?dry=true&size=9&tag=hot&tag=cold&other=1", good, "", ""},
		{"/v1/cups/TEA", good, "cup", "pattern"},
		{"/v1/cups/tea?dry=yes", good, "dry", "type"},
		{"/v1/cups/tea?size=", good, "size", "type"},
		{"/v1/cups/tea?size=%2B5", good, "size", "type"},
		{"/v1/cups/tea?size=5.5", good, "size", "type"},
		{"/v1/cups/tea?size=10", good, "size", "maximum"},
		{"/v1/cups/tea?size=5&size=6", good, "size", "single"},
		{"/v1/cups/tea?tag=hot&tag=tepid", good, "tag", "enum"},
		{"/v1/cups/tea?tag=hot&tag=hot&tag=hot", good, "tag", "maxItems"},
		{"/v1/cups/tea", `{"pin":"secret-9"}`, "/pin", "pattern"},
		{"/v1/cups/tea", `{"pin":1234}`, "/pin", "type"},
		{"/v1/cups/tea", `{"Pin":"1234"}`, "/Pin /pin", "additionalProperties required"},
		{"/v1/cups/tea", `{}`, "/pin", "required"},
		{"/v1/cups/tea", ` `, "body", "required"},
		{"/v1/cups/TEA?size=0", `{"pin":"secret-9"}`, "cup size /pin", "pattern minimum pattern"},
		{"/v1/cups/tea", `{"pin":"1234","pin":"1234"}`, "/pin", ""},
		{"/v1/cups/tea", `{"pin":`, "/pin", ""},
	} {
		before := len(u.seen)
		w := ask(s, "PUT", tc.target, tc.body, "Idempotency-Key", "k")
		if tc.fields == "" {
			assert.Equal(t, 200, w.Code, "%s %s", tc.target, w.Body)
			continue
		}
		p := problem(t, w, 400, errs.CodeInvalidRequest)
		var fields, rules []string
		for _, f := range p.Errors {
			fields, rules = append(fields, f.Field), append(rules, f.Rule)
		}
		assert.Equal(t, tc.fields, strings.Join(fields, " "), tc.target+tc.body)
		assert.Equal(t, tc.rules, strings.Join(rules, " "), tc.target+tc.body)
		assert.NotContains(t, w.Body.String(), "secret-9", "values are not told")
		assert.Len(t, u.seen, before, "the service is not asked")
	}
	assert.Equal(t, "Idempotency-Key", problem(t, ask(s, "PUT", "/v1/cups/tea", good), 400, errs.CodeInvalidRequest).Errors[0].Field)
	problem(t, ask(s, "PUT", "/v1/cups/tea", good, "Idempotency-Key", "k", "Content-Type", "text/plain"), 415, httpx.CodeUnsupportedMedia)
}

// An answer that is not as its contract says is counted and told in the log, and passed on: what it tells of has been done.
func TestAnswersAreHeldAgainstTheContract(t *testing.T) {
	const secret = `{"pin":1234567}`
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(strict, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, secret)
	})}}
	s := gatewayOf(t, u, nil)
	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	now := time.Unix(1_900_000_000, 0)
	s.answers = newAnswerChecks(2, slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now }, reg)
	for range 10 {
		w := ask(s, "PUT", "/v1/cups/tea", `{"pin":"1234"}`, "Idempotency-Key", "k")
		require.Equal(t, 200, w.Code)
		require.Equal(t, secret, w.Body.String())
	}
	counted := func(result string) float64 {
		return testutil.ToFloat64(s.answers.results.WithLabelValues("shop", result))
	}
	assert.InDelta(t, 5, counted("bad"), 0, "one in two")
	assert.Equal(t, 1, strings.Count(log.String(), "not as its contract says"), "once a minute is enough")
	assert.Contains(t, log.String(), "/pin")
	assert.NotContains(t, log.String(), "1234567")
	now = now.Add(sayAgainEvery)
	ask(s, "PUT", "/v1/cups/tea", `{"pin":"1234"}`, "Idempotency-Key", "k")
	ask(s, "PUT", "/v1/cups/tea", `{"pin":"1234"}`, "Idempotency-Key", "k")
	assert.Equal(t, 2, strings.Count(log.String(), "not as its contract says"))

	x := &exchange{op: s.book.Set().Operation("putCup"), answer: answer{200, http.Header{"Content-Type": {"application/json"}}, []byte(`{"pin":"1"}`)}}
	first, second := s.answers.broken(x), s.answers.broken(x)
	assert.False(t, first && second, "one answer in so many is looked at, so not two that follow each other")
	for _, bad := range []answer{
		{201, http.Header{"Content-Type": {"application/json"}}, []byte(`{"pin":"1"}`)}, {200, http.Header{"Content-Type": {"text/plain"}}, []byte(`x`)},
		{200, http.Header{"Content-Type": {"application/json"}}, []byte(`{"pin"`)}, {200, http.Header{}, nil},
	} {
		assert.NotEmpty(t, x.op.CheckAnswer(bad.status, bad.header.Get("Content-Type"), bad.body), "%d %s", bad.status, bad.body)
	}
}
