package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// moving is a service that moves to another broker.
func moving(percent string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /internal/brokers", func(w http.ResponseWriter, _ *http.Request) {
		since := time.Now().UTC().Add(-time.Minute).Format(time.RFC3339)
		_, _ = io.WriteString(w, strings.NewReplacer("PERCENT", percent, "SINCE", since).Replace(`{"service":"x","present":"pubsub","next":"pubsub-next","percent":PERCENT,
			"publishing":{"published":7,"failed":0,"dropped":0},"lines":[
			{"source":"order","broker":"pubsub","since":"SINCE","share":100,"delivered":8,"first":8,"doubled":0,"late":0,"missed":0,"waiting":0,"last_missed":"","in_a_row":8,"in_a_row_since":"SINCE"},
			{"source":"order","broker":"pubsub-next","since":"SINCE","share":PERCENT,"delivered":7,"first":0,"doubled":0,"late":0,"missed":1,"waiting":0,"last_missed":"order/0/3","last_missed_at":"SINCE","in_a_row":4,"in_a_row_since":"SINCE","broken":[1]}]}`))
	})
	return mux
}

func TestOpsBrokersJudgesWhatAllServicesSay(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": moving("100"), "bank": moving("50")}}
	s := gatewayOf(t, u, func(c *Config) { c.Services = append(c.Services, "away") })
	w := ask(s, "GET", "/v1/ops/brokers?quiet_seconds=30&segments=5", "")
	require.Equal(t, 200, w.Code, w.Body.String())
	conforms(t, "/v1/ops/brokers", "GET", 200, w.Body.Bytes())
	var answer brokersAnswer
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	assert.False(t, answer.CanGo)
	assert.Len(t, answer.Missing, 6, "%v", answer.Missing)
	assert.Contains(t, answer.Missing, "away does not answer")
	assert.Contains(t, answer.Missing, "bank publishes 50 % on pubsub-next: set SIDECART_PUBSUB_NEXT_PERCENT=100")
	require.Len(t, answer.Items, 3)
	assert.Equal(t, []string{"shop", healthUp}, []string{answer.Items[0].Name, answer.Items[0].Health})
	assert.Equal(t, healthDown, answer.Items[2].Health)
	assert.EqualValues(t, 1, answer.Items[0].Follows[1].Missed)
	for _, bad := range []string{"quiet_seconds=-1", "quiet_seconds=86401", "segments=x", "segments=1000001"} {
		problem(t, ask(s, "GET", "/v1/ops/brokers?"+bad, ""), 400, errs.CodeInvalidRequest)
	}
}
