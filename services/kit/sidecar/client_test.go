package sidecar

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/sidecart/sidecart/services/kit/porttest"
)

func TestNewSaysWhatIsMissing(t *testing.T) {
	_, err := New(Config{})
	require.ErrorContains(t, err, "DAPR_GRPC_PORT")
}

func TestWithoutASidecarCallsFailAtOnceAndWaitEndsWithItsContext(t *testing.T) {
	ports := porttest.Free(t, 2)
	c, err := New(Config{GRPCPort: ports[0], HTTPPort: ports[1]})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = c.Create(ctx, "k", []byte(`1`))
	require.Error(t, err)
	require.NoError(t, ctx.Err(), "it did not wait for the deadline")
	require.NotErrorIs(t, err, ErrConflict)

	short, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer stop()
	require.ErrorIs(t, c.Wait(short), context.DeadlineExceeded)
}

func TestWaitSeesTheSidecarComeUp(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v1.0/healthz/outbound", r.URL.Path)
		assert.Equal(t, testToken, r.Header.Get("Dapr-Api-Token"))
		asked++
		if asked < 3 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	port, err := strconv.Atoi(server.URL[strings.LastIndexByte(server.URL, ':')+1:])
	require.NoError(t, err)
	c, err := New(Config{GRPCPort: porttest.Free(t, 1)[0], HTTPPort: port, Token: testToken})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	require.NoError(t, c.Wait(context.Background()))
}

func TestBoundsAreCheckedBeforeAnythingIsSent(t *testing.T) {
	c, err := New(Config{GRPCPort: porttest.Free(t, 1)[0]})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	ctx := context.Background()
	for _, key := range []string{"", "a||b"} {
		_, err := c.Get(ctx, key)
		require.ErrorContains(t, err, "cannot be a key")
		_, err = c.GetBulk(ctx, []string{"a", key})
		require.ErrorContains(t, err, "cannot be a key")
		require.ErrorContains(t, c.Create(ctx, key, []byte(`1`)), "cannot be a key")
		require.ErrorContains(t, c.Delete(ctx, key), "cannot be a key")
	}
	require.ErrorContains(t, c.Replace(ctx, "k", []byte(`1`), ""), "no ETag", "it would create the key")
	require.ErrorContains(t, c.Create(ctx, "k", nil), "value of 0 bytes")
	require.ErrorContains(t, c.Create(ctx, "k", make([]byte, MaxValueBytes+1)), "value of")
	_, err = c.GetBulk(ctx, make([]string, MaxBulkKeys+1))
	require.ErrorContains(t, err, "bulk read of 101 keys")
}

// TestNobodyCallsTheSidecarAsAnApp: it would answer to whoever asks for an app's method of such a name, with every secret.
func TestNobodyCallsTheSidecarAsAnApp(t *testing.T) {
	c, err := New(Config{GRPCPort: porttest.Free(t, 1)[0]})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	for method, refused := range map[string]bool{
		"/dapr.proto.runtime.v1.Dapr/GetBulkSecret": true, "/dapr.proto.internals.v1.ServiceInvocation/CallLocal": true,
		"/TaskHubSidecarService/StartInstance": true, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": true,
		"/shelf.v1.Shelf/Get": false, "/daprs.v1.Shelf/Get": false,
	} {
		want := codes.Unavailable // as there is no sidecar
		if refused {
			want = codes.Unimplemented
		}
		require.Equal(t, want, status.Code(c.App("shelf").Invoke(t.Context(), method, &emptypb.Empty{}, &emptypb.Empty{})), method)
	}
}

func TestCloudEventsKeepEverythingWeSet(t *testing.T) {
	event := CloudEvent{ID: "order/0/1", Type: "t", Source: "order", TraceParent: "tp", Shares: "pubsub=100", Data: []byte(`{"a":1}`)}
	encoded, err := EncodeCloudEvent(event)
	require.NoError(t, err)
	back, err := DecodeCloudEvent(encoded)
	require.NoError(t, err)
	assert.Equal(t, event, back)
	_, err = EncodeCloudEvent(CloudEvent{ID: "x", Data: []byte(`{`)})
	require.Error(t, err)
	_, err = DecodeCloudEvent([]byte(`[]`))
	require.Error(t, err)
	back, err = DecodeCloudEvent([]byte(`{"id":"a","topic":"order","pubsubname":"pubsub","data":{}}`))
	require.NoError(t, err)
	assert.Equal(t, "a", back.ID)

	around := func(raw string) string {
		return `{"id":"made up","topic":"order","data_base64":"` + base64.StdEncoding.EncodeToString([]byte(raw)) + `"}`
	}
	back, err = DecodeCloudEvent([]byte(around(string(encoded))))
	require.NoError(t, err)
	assert.Equal(t, event, back, "what Dapr puts around the bytes says nothing")
	for _, wrong := range []string{around(``), around(`{`), `{"data_base64":"?"}`} {
		_, err = DecodeCloudEvent([]byte(wrong))
		require.Error(t, err, wrong)
	}
}

func TestBindingAnswers(t *testing.T) {
	_, err := readAnswer("sms", nil, map[string]string{statusCode: "teapot"})
	require.ErrorContains(t, err, "not a number")
	out, err := readAnswer("mail", []byte("x"), nil)
	require.NoError(t, err)
	assert.Equal(t, "x", string(out.Data))
	_, err = readAnswer("sms", []byte("secret"), map[string]string{statusCode: "500"})
	require.EqualError(t, err, "binding sms answered with status 500")
}
