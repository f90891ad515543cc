package bridge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/sidecart/sidecart/services/inventory/inventorypb"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/order/orderpb"
)

// bindings are those of both services.
func bindings(t testing.TB) []*Binding {
	b, err := Bind(files["inventory"], files["order"])
	require.NoError(t, err)
	return b
}

// dial serves door over gRPC on a connection in memory.
func dial(t testing.TB, door http.Handler, cfg Config) *grpc.ClientConn {
	return dialCounting(t, door, cfg, &atomic.Int64{})
}

// dialCounting counts the connections that are opened.
func dialCounting(t testing.TB, door http.Handler, cfg Config, opened *atomic.Int64) *grpc.ClientConn {
	l := bufconn.Listen(1 << 20)
	s := NewServer(cfg, bindings(t), door, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///gateway", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { opened.Add(1); return l.DialContext(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, conn.Close())
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		assert.NoError(t, s.Shutdown(ctx))
		assert.NoError(t, <-ended)
	})
	return conn
}

// kept is a request that a handler has seen.
type kept struct {
	*http.Request
	text string
}

// door answers everything alike and keeps what it was asked.
func door(seen *kept, code int, body string, header ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		*seen = kept{r, string(raw)}
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	})
}

const orderJSON = `{"id":"o-1","status":"awaiting_payment","customer":"ada","lines":[{"sku":"mug-blue","title":"Blue \"mug\" ☕","quantity":2,"unit_price":{"amount":1250,"currency":"EUR"}}],` +
	`"total":{"amount":9007199254740993,"currency":"EUR"},"pay_by":"2026-05-04T10:15:00.123456Z","placed_at":"2026-05-04T10:00:00Z","payment":{"method":"card","status":"refund_pending","attempt":1},"new_member":[{"x":1}]}`

func TestACallIsARequestInJSON(t *testing.T) {
	var seen kept
	conn := dial(t, door(&seen, 201, orderJSON, "Location", "/v1/orders/o-1", "X-Request-Id", "r-1", "Vary", "X-Client"), Config{})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer t", "idempotency-key", "k 1", "x-client", "mini", "accept-encoding", "br", "trace-bin", "\x00", "x-release-stage", "canary")
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	var header metadata.MD
	order, err := orderpb.NewOrderServiceClient(conn).PlaceOrder(ctx, &orderpb.PlaceOrderRequest{
		Contact: &orderpb.PlaceOrderRequest_Contact{Email: proto.String("ada@example.com")},
		Lines:   []*orderpb.PlaceOrderRequest_Line{{Sku: "mug-blue", Quantity: 2}, {}},
	}, grpc.Header(&header))
	require.NoError(t, err)

	assert.Equal(t, "POST /v1/orders", seen.Method+" "+seen.URL.String())
	assert.Equal(t, `{"contact":{"email":"ada@example.com"},"lines":[{"sku":"mug-blue","quantity":2},{"sku":"","quantity":0}]}`, seen.text)
	assert.Equal(t, int64(len(seen.text)), seen.ContentLength)
	deadline, has := seen.Context().Deadline()
	assert.True(t, has)
	assert.LessOrEqual(t, time.Until(deadline), 3*time.Second)
	for name, want := range map[string]string{
		"Authorization": "Bearer t", "Idempotency-Key": "k 1", "Content-Type": "application/json", "X-Release-Stage": "canary",
		"X-Client": "plain", "Accept-Encoding": "", "Trace-Bin": "", "Te": "",
	} {
		assert.Equal(t, want, seen.Header.Get(name), name)
	}

	assert.Equal(t, orderpb.Order_STATUS_AWAITING_PAYMENT, order.Status)
	assert.Equal(t, int64(9007199254740993), order.Total.Amount, "64 bits and not a float's 53")
	assert.Equal(t, "Blue \"mug\" ☕", order.Lines[0].Title)
	assert.Equal(t, time.Date(2026, 5, 4, 10, 15, 0, 123456000, time.UTC), order.PayBy.AsTime())
	assert.Nil(t, order.CancelReason)
	assert.Equal(t, orderpb.Order_Payment_STATUS_REFUND_PENDING, order.Payment.Status)
	assert.Equal(t, []string{"r-1"}, header.Get("x-request-id"))
	assert.Equal(t, []string{"201"}, header.Get("x-http-code"))
	assert.Empty(t, header.Get("vary"))
}

func TestPathAndQuery(t *testing.T) {
	var seen kept
	conn := dial(t, door(&seen, 200, `{"items":[],"next_cursor":"n"}`), Config{})
	inventory := inventorypb.NewInventoryServiceClient(conn)
	list, err := inventory.ListItems(t.Context(), &inventorypb.ListItemsRequest{Limit: proto.Int32(5), Cursor: proto.String("a&b")})
	require.NoError(t, err)
	assert.Equal(t, "n", list.NextCursor)
	assert.Equal(t, "GET /v1/inventory?cursor=a%26b&limit=5", seen.Method+" "+seen.URL.String())
	assert.Empty(t, seen.text)
	assert.Empty(t, seen.Header.Get("Content-Type"))
	_, err = inventory.ListItems(t.Context(), &inventorypb.ListItemsRequest{})
	require.NoError(t, err)
	assert.Equal(t, "/v1/inventory", seen.URL.String())

	_, err = inventory.ConfirmReservation(t.Context(), &inventorypb.ConfirmReservationRequest{Sku: "mug", Id: "../a b?é%2F"})
	require.NoError(t, err)
	assert.Equal(t, "POST /v1/inventory/mug/reservations/..%2Fa%20b%3F%C3%A9%252F/confirm", seen.Method+" "+seen.URL.EscapedPath())
	_, err = inventory.PutItem(t.Context(), &inventorypb.PutItemRequest{Sku: "mug", Quantity: 1 << 60})
	require.NoError(t, err)
	assert.Equal(t, `{"title":"","quantity":1152921504606846976}`, seen.text, "what is in the path is not in the body, and no price is no price")

	_, err = inventory.GetItem(t.Context(), &inventorypb.GetItemRequest{})
	assert.Equal(t, codes.InvalidArgument, status.Code(err))
	assert.ErrorContains(t, err, "sku: must not be empty")
}

func TestAProblemIsAStatus(t *testing.T) {
	refusal := errs.New(errs.Conflict, "sold_out", "there is not enough stock").With("skus", []string{"mug"}).With("note", "x")
	refusal.Fields, refusal.RetryAfter = []errs.Field{{Field: "/lines/0", Message: "is short"}}, 2*time.Second
	conn := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { httpx.WriteProblem(w, r, refusal) }), Config{})
	_, err := orderpb.NewOrderServiceClient(conn).PlaceOrder(t.Context(), &orderpb.PlaceOrderRequest{})
	s := status.Convert(err)
	assert.Equal(t, codes.FailedPrecondition, s.Code())
	assert.Equal(t, "there is not enough stock", s.Message())
	details := s.Details()
	require.Len(t, details, 3)
	info := details[0].(*errdetails.ErrorInfo)
	assert.Equal(t, "SOLD_OUT", info.Reason)
	assert.Equal(t, "sidecart", info.Domain)
	assert.Len(t, info.Metadata["trace_id"], 32)
	delete(info.Metadata, "trace_id")
	assert.Equal(t, map[string]string{"http_status": "409", "skus": `["mug"]`, "note": "x"}, info.Metadata)
	violation := details[1].(*errdetails.BadRequest).FieldViolations[0]
	assert.Equal(t, "/lines/0 is short", violation.Field+" "+violation.Description)
	assert.Equal(t, 2*time.Second, details[2].(*errdetails.RetryInfo).RetryDelay.AsDuration())
}

func TestEveryKindOfErrorHasACodeAndComesBackAsItWas(t *testing.T) {
	for kind := errs.Internal; kind <= errs.Unavailable; kind++ {
		code, has := codeOf[kind]
		require.True(t, has)
		require.NotEqual(t, codes.OK, code)
		e := errs.New(kind, "some_code", "words")
		e.Fields, e.RetryAfter = []errs.Field{{Field: "a", Message: "b"}}, time.Second
		back := errorOf(statusOf(e, "t"), true)
		assert.Equal(t, kind, back.Kind)
		assert.Equal(t, "some_code: words", back.Error())
		assert.Equal(t, e.Fields, back.Fields)
		assert.Equal(t, e.RetryAfter, back.RetryAfter)
	}
}

func TestFailuresThatNobodyWorded(t *testing.T) {
	for code, want := range map[codes.Code]string{
		codes.NotFound: "not_found: secret", codes.InvalidArgument: "invalid_request: secret", codes.AlreadyExists: "conflict: secret",
		codes.PermissionDenied: "forbidden: secret", codes.Unauthenticated: "unauthorized: secret", codes.ResourceExhausted: "too_many_requests: secret",
		codes.Internal: "internal: a part of the service cannot do this now", codes.DataLoss: "internal: a part", codes.Unimplemented: "internal: a part",
		codes.Unavailable: "outcome_unknown: the outcome", codes.Unknown: "outcome_unknown: the outcome", codes.DeadlineExceeded: "outcome_unknown: the outcome",
	} {
		e := errorOf(status.Error(code, "secret"), true)
		assert.True(t, strings.HasPrefix(e.Code+": "+e.Message, want), "%s: %s: %s", code, e.Code, e.Message)
	}
	assert.Equal(t, errs.CodeUnavailable, errorOf(status.Error(codes.Unavailable, "x"), false).Code, "reading changes nothing")
}

func TestAnswersThatAreNotWhatTheContractSays(t *testing.T) {
	for body, want := range map[string]codes.Code{
		`{"id":1}`: codes.Internal, `[]`: codes.Internal, `{"id":"a"`: codes.Internal, `{} x`: codes.Internal, `{"lines":{}}`: codes.Internal,
		`{"pay_by":"soon"}`: codes.Internal, `{"total":{"amount":1.5}}`: codes.Internal, `{"total":{"amount":"1"}}`: codes.Internal, `{"lines":[null]}`: codes.Internal,
		`{"status":"shipped","payment":null,"id":"\u0061","x":[{}]}`: codes.OK, ``: codes.OK, `{}`: codes.OK,
	} {
		var seen kept
		order, err := orderpb.NewOrderServiceClient(dial(t, door(&seen, 200, body), Config{})).GetOrder(t.Context(), &orderpb.GetOrderRequest{Id: "a"})
		assert.Equal(t, want, status.Code(err), body)
		if err == nil && len(body) > 2 {
			assert.Equal(t, orderpb.Order_STATUS_UNSPECIFIED, order.Status, "a value that is not known yet")
			assert.Equal(t, "a", order.Id)
			assert.Nil(t, order.Payment)
		}
	}
}

func TestBoundsDeadlinesAndPanics(t *testing.T) {
	conn := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/orders/panic":
			panic("secret")
		case "/v1/orders/slow":
			<-r.Context().Done()
			httpx.WriteProblem(w, r, errs.OutcomeUnknown(r.Context().Err()))
		}
	}), Config{MaxMessageBytes: 1000, CallTimeout: 20 * time.Millisecond})
	orders := orderpb.NewOrderServiceClient(conn)
	_, err := orders.GetOrder(t.Context(), &orderpb.GetOrderRequest{Id: "panic"})
	assert.Equal(t, codes.Internal, status.Code(err))
	assert.NotContains(t, err.Error(), "secret")
	_, err = orders.GetOrder(t.Context(), &orderpb.GetOrderRequest{Id: "slow"})
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err), "a call without a deadline gets one")
	_, err = orders.GetOrder(t.Context(), &orderpb.GetOrderRequest{Id: strings.Repeat("x", 1001)})
	assert.Equal(t, codes.ResourceExhausted, status.Code(err))
	_, err = orders.PayOrder(t.Context(), &orderpb.PayOrderRequest{Id: "a", Method: "\xff"})
	assert.Error(t, err)
	_, err = orders.GetOrder(metadata.AppendToOutgoingContext(t.Context(), "x-big", strings.Repeat("x", 17<<10)), &orderpb.GetOrderRequest{Id: "a"})
	assert.Error(t, err)
	assert.Equal(t, codes.Unimplemented, status.Code(conn.Invoke(t.Context(), "/sidecart.order.v1.OrderService/DropOrders", &orderpb.Order{}, &orderpb.Order{})))
	healthy, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	assert.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, healthy.Status)
}

func TestShutdownWaitsForCallsAndNotForEver(t *testing.T) {
	for name, patient := range map[string]bool{"waits": true, "cuts off": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun, let := make(chan struct{}), make(chan struct{})
				l := bufconn.Listen(1 << 16)
				s := NewServer(Config{}, bindings(t), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					close(begun)
					select {
					case <-let:
					case <-r.Context().Done():
					}
				}), nil)
				ended := make(chan error, 1)
				go func() { ended <- s.Serve(l) }()
				conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
					grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
				require.NoError(t, err)
				defer func() { assert.NoError(t, conn.Close()) }()
				called := make(chan error, 1)
				go func() {
					_, err := orderpb.NewOrderServiceClient(conn).GetOrder(t.Context(), &orderpb.GetOrderRequest{Id: "a"})
					called <- err
				}()
				<-begun
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				down := make(chan error, 1)
				go func() { down <- s.Shutdown(ctx) }()
				if patient {
					close(let)
					assert.NoError(t, <-called)
					assert.NoError(t, <-down)
				} else {
					assert.ErrorIs(t, <-down, context.DeadlineExceeded)
					assert.Error(t, <-called)
				}
				assert.NoError(t, <-ended)
			})
		})
	}
}

// TestCallersFindReplicasThatCameLater: a busy connection would stay with its replica for good.
func TestCallersFindReplicasThatCameLater(t *testing.T) {
	var seen kept
	var opened atomic.Int64
	client := inventorypb.NewInventoryServiceClient(dialCounting(t, door(&seen, 200, `{"items":[],"next_cursor":""}`), Config{MaxAge: time.Millisecond}, &opened))
	require.Eventually(t, func() bool {
		_, err := client.ListItems(t.Context(), &inventorypb.ListItemsRequest{})
		return assert.NoError(t, err, "no call is cut off") && opened.Load() > 2
	}, 10*time.Second, time.Millisecond)
}

// to is the same connection to every app.
func to(conn grpc.ClientConnInterface) func(string) grpc.ClientConnInterface {
	return func(string) grpc.ClientConnInterface { return conn }
}

// TestBothWaysGiveBackWhatWentIn sends a request in JSON through Transport, gRPC and Server: what arrives is what was sent,
// and so is the answer.
func TestBothWaysGiveBackWhatWentIn(t *testing.T) {
	var seen kept
	conn := dial(t, door(&seen, 201, orderJSON, "Location", "/v1/orders/o-1"), Config{})
	transport := NewTransport(to(conn), bindings(t))
	ask := func(method, target, body string, header ...string) *http.Response {
		r := httptest.NewRequest(method, "http://order"+target, strings.NewReader(body))
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := transport.RoundTrip(r)
		require.NoError(t, err)
		return resp
	}
	text := func(resp *http.Response) string {
		raw, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(raw)
	}
	body := `{"customer":"ada","contact":{"email":"a\u00e9@example.com"},"lines":[{"sku":"mug","quantity":2}]}`
	resp := ask("POST", "/v1/orders", body, "Idempotency-Key", "k", "Sidecart-Subject", "ada", "Connection", "close")
	assert.Equal(t, 201, resp.StatusCode)
	assert.Equal(t, "/v1/orders/o-1", resp.Header.Get("Location"))
	assert.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	assert.JSONEq(t, strings.Replace(orderJSON, `,"new_member":[{"x":1}]`, "", 1), text(resp))
	assert.JSONEq(t, body, seen.text)
	assert.Equal(t, "k ada", seen.Header.Get("Idempotency-Key")+" "+seen.Header.Get("Sidecart-Subject"))

	ask("GET", "/v1/orders?customer=a%26b&limit=7", "")
	assert.Equal(t, "GET /v1/orders?customer=a%26b&limit=7", seen.Method+" "+seen.URL.String())
	ask("POST", "/v1/orders/a%2Fb%20c/cancel", "")
	assert.Equal(t, "POST /v1/orders/a%2Fb%20c/cancel", seen.Method+" "+seen.URL.EscapedPath())

	for target, want := range map[string]string{
		"GET /v1/elsewhere": "404 not_found", "DELETE /v1/orders/1": "404 not_found", "GET /v1/orders//": "404 not_found",
		"GET /v1/orders?limit=many": "400 invalid_request limit: must be an integer of 32 bits", "GET /v1/orders?color=red": "400 invalid_request color: is no parameter, or is there twice",
		"GET /v1/orders?limit=1&limit=2":               "400 invalid_request limit: is no parameter, or is there twice",
		`POST /v1/orders {"customer":1}`:               "400 invalid_request /customer: must be a string",
		`POST /v1/orders {"lines":[{"qty":1}]}`:        "400 invalid_request /lines/0/qty: is not known",
		`POST /v1/orders {"lines":[{"quantity":1.5}]}`: "400 invalid_request /lines/0/quantity: must be an integer of 32 bits",
		`POST /v1/orders []`:                           "400 invalid_request body: must be an object",
	} {
		method, rest, _ := strings.Cut(target, " ")
		path, body, _ := strings.Cut(rest, " ")
		resp := ask(method, path, body)
		assert.Equal(t, httpx.ContentTypeProblem, resp.Header.Get("Content-Type"))
		e := httpx.ReadProblem(resp)
		got := e.Code
		if len(e.Fields) > 0 {
			got += " " + e.Fields[0].Field + ": " + e.Fields[0].Message
		}
		assert.Equal(t, want, resp.Status[:3]+" "+got, target)
	}
}

// TestHeadersThatGRPCCannotCarry: anybody can send one, and it would count as a failure of the service.
func TestHeadersThatGRPCCannotCarry(t *testing.T) {
	var seen kept
	transport := NewTransport(to(dial(t, door(&seen, 200, orderJSON), Config{})), bindings(t))
	ask := func(name, value string) *http.Response {
		r := httptest.NewRequest("POST", "http://order/v1/orders/o-1/cancel", nil)
		r.Header = http.Header{name: {value}, "X-Plain": {"a ~"}}
		resp, err := transport.RoundTrip(r)
		require.NoError(t, err)
		return resp
	}
	for name, value := range map[string]string{"X-City": "K\u00f6ln", "X-Raw": "K\xf6ln", "X-Tab": "a\tb", "X!Odd": "1"} {
		seen = kept{}
		require.Equal(t, 200, ask(name, value).StatusCode, name)
		assert.Equal(t, "a ~", seen.Header.Get("X-Plain"))
		assert.NotContains(t, seen.Header, name)
	}
	seen = kept{}
	assert.Equal(t, 400, ask("Idempotency-Key", "K\u00f6ln").StatusCode)
	assert.Nil(t, seen.Request, "never without a key that was given")
}

// shelf is a service that speaks nothing but gRPC.
type shelf struct {
	inventorypb.UnimplementedInventoryServiceServer
}

func (shelf) GetItem(ctx context.Context, r *inventorypb.GetItemRequest) (*inventorypb.Item, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	switch r.Sku {
	case "none":
		return nil, status.Error(codes.NotFound, "there is no such SKU")
	case "broken":
		return nil, errors.New("secret")
	}
	return &inventorypb.Item{Sku: r.Sku, Title: strings.Join(md.Get("sidecart-subject"), ","), Price: &inventorypb.Money{Amount: 1250, Currency: "EUR"}, Available: 3}, nil
}

// TestAServiceThatSpeaksGRPCIsCalledInJSON has a real gRPC service behind a Transport.
func TestAServiceThatSpeaksGRPCIsCalledInJSON(t *testing.T) {
	l := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	inventorypb.RegisterInventoryServiceServer(server, shelf{})
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///shelf", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close()); server.Stop(); assert.NoError(t, <-ended) }()
	client := &http.Client{Transport: NewTransport(to(conn), bindings(t))}
	get := func(ctx context.Context, sku string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://inventory/v1/inventory/"+sku, nil)
		require.NoError(t, err)
		r.Header.Set("Sidecart-Subject", "ada")
		return client.Do(r)
	}
	resp, err := get(t.Context(), "mug")
	require.NoError(t, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.JSONEq(t, `{"sku":"mug","title":"ada","price":{"amount":1250,"currency":"EUR"},"received":0,"available":3,"reserved":0,"sold":0,"version":0}`, string(raw))
	for sku, want := range map[string]string{"none": "not_found: there is no such SKU", "broken": "unavailable: a part of the service cannot do this now"} {
		resp, err := get(t.Context(), sku)
		require.NoError(t, err)
		assert.Equal(t, want, httpx.ReadProblem(resp).Error())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = get(ctx, "mug")
	assert.ErrorIs(t, err, context.Canceled)
}
