package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/services/kit/jsondoc"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Of the broker's part.
const (
	brokerEvents      = 50
	subscribedWithin  = 20 * time.Second
	deliveredWithin   = 20 * time.Second
	redeliveredWithin = 10 * time.Second
	probeEvery        = 500 * time.Millisecond
	brokerEventType   = "conformance.segment"
	brokerSource      = "conformance"
)

// Broker is how the suite publishes and hears what an app is handed. The app calls Deliver for each event on the topic.
// Publisher and app are best beside different sidecars, as in a shop. Safe for concurrent use.
type Broker struct {
	publisher sidecar.Publisher
	topic     string
	refused   error // why there is no broker
	silent    bool  // nothing arrived: not worth waiting for more

	mu      sync.Mutex
	events  map[string]sidecar.CloudEvent // by id
	counts  map[string]int
	order   []string // ids as they were first delivered
	nack    map[string]bool
	changed chan struct{} // closed and made anew at each delivery
}

// NewBroker publishes on topic, which nothing else uses.
func NewBroker(publisher sidecar.Publisher, topic string) *Broker {
	return &Broker{
		publisher: publisher, topic: topic, events: map[string]sidecar.CloudEvent{}, counts: map[string]int{}, nack: map[string]bool{},
		changed: make(chan struct{}),
	}
}

// NoBroker stands for a broker that could not be set up, and why.
func NoBroker(why error) *Broker { return &Broker{refused: why} }

// Deliver takes what the app was handed and says whether the app is to acknowledge it; if not, it answers as if it had
// failed.
func (b *Broker) Deliver(event sidecar.CloudEvent) (acknowledge bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.counts[event.ID] == 0 {
		b.order = append(b.order, event.ID)
	}
	b.counts[event.ID]++
	b.events[event.ID] = event
	refuse := b.nack[event.ID]
	delete(b.nack, event.ID)
	close(b.changed)
	b.changed = make(chan struct{})
	return !refuse
}

// until waits for done, which is called under the lock, and says whether it became true.
func (b *Broker) until(ctx context.Context, within time.Duration, done func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		b.mu.Lock()
		ok, changed := done(), b.changed
		b.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (b *Broker) publish(ctx context.Context, id string, data []byte) error {
	event := sidecar.CloudEvent{ID: id, Type: brokerEventType, Source: brokerSource, TraceParent: traceParent, Data: data}
	if err := again(ctx, func() error { return b.publisher.Publish(ctx, b.topic, event) }); err != nil {
		return fmt.Errorf("the broker does not take an event on topic %q (some need a stream or topic of that name first): %w", b.topic, err)
	}
	return nil
}

const traceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// brokerChecks are advisory: a follower pulls from the journal what a broker does not bring.
func brokerChecks() []check {
	later := "followers pull instead: effects come some seconds later, nothing is lost"
	return []check{
		{Property{
			"broker-starts", "a sidecar starts with the pubsub component",
			"no process of a shop starts, because its sidecar does not", Unsafe,
		}, brokerStarts},
		{Property{
			"broker-delivers", fmt.Sprintf("%d events that one sidecar publishes reach an app beside another", brokerEvents),
			later, Degraded,
		}, brokerDelivers},
		{Property{
			"broker-envelope", "an event arrives with the id, type, source and data that it was published with",
			"pushed segments are not recognised; " + later, Degraded,
		}, brokerEnvelope},
		{Property{
			"broker-large", fmt.Sprintf("an event of %d KB, the largest segment, arrives whole", sidecar.MaxValueBytes>>10),
			"large segments are not pushed; " + later, Degraded,
		}, brokerLarge},
		{Property{
			"broker-redelivers", fmt.Sprintf("an event that the app could not take is handed over again within %s", redeliveredWithin),
			"an event that comes while a process is down may be lost on its way; " + later, Note,
		}, brokerRedelivers},
	}
}

func brokerStarts(_ context.Context, r *run) (string, error) { return "", r.broker.refused }

// ready skips what cannot be tried without a broker.
func (b *Broker) ready() error {
	switch {
	case b.refused != nil:
		return skip("there is no broker")
	case b.silent:
		return skip("nothing that is published arrives")
	}
	return nil
}

// brokerDelivers first publishes until the subscription is seen to work: it starts a moment after the sidecar is healthy,
// and some brokers forget what came before.
func brokerDelivers(ctx context.Context, r *run) (string, error) {
	b := r.broker
	if err := b.ready(); err != nil {
		return "", err
	}
	run := uuid.NewString()
	deadline, cancel := context.WithTimeout(ctx, subscribedWithin)
	defer cancel()
	began, arrived := time.Now(), false
	for n := 0; !arrived; n++ {
		if err := b.publish(ctx, fmt.Sprintf("%s/first/%d", run, n), []byte(`{}`)); err != nil {
			b.silent = true
			return "", err
		}
		arrived = b.until(deadline, probeEvery, func() bool {
			return slices.ContainsFunc(b.order, func(id string) bool { return strings.HasPrefix(id, run+"/first/") })
		})
		if deadline.Err() != nil && !arrived {
			b.silent = true
			return "", fmt.Errorf("the broker took %d events and none of them arrived within %s", n+1, subscribedWithin)
		}
	}
	first := time.Since(began)
	ids := make([]string, brokerEvents)
	for i := range ids {
		ids[i] = run + "/" + strconv.Itoa(i)
		if err := b.publish(ctx, ids[i], []byte(fmt.Sprintf(`{"n":%d}`, i))); err != nil {
			return "", err
		}
	}
	missing := func() (n int) {
		for _, id := range ids {
			if b.counts[id] == 0 {
				n++
			}
		}
		return n
	}
	if !b.until(ctx, deliveredWithin, func() bool { return missing() == 0 }) {
		b.mu.Lock()
		defer b.mu.Unlock()
		return "", fmt.Errorf("%d of %d events did not arrive within %s", missing(), len(ids), deliveredWithin)
	}
	return b.manner(ids, first), nil
}

// manner says how the events came.
func (b *Broker) manner(ids []string, first time.Duration) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	order := slices.DeleteFunc(slices.Clone(b.order), func(id string) bool { return !slices.Contains(ids, id) })
	text := "in order"
	if !slices.Equal(order, ids) {
		text = "out of order"
	}
	twice := 0
	for _, id := range ids {
		if b.counts[id] > 1 {
			twice++
		}
	}
	if twice > 0 {
		text += fmt.Sprintf(", %d more than once", twice)
	}
	return fmt.Sprintf("%s; the first one after %s", text, short(first))
}

// roundTrip publishes one event and waits for it.
func (b *Broker) roundTrip(ctx context.Context, data []byte) (sidecar.CloudEvent, error) {
	if err := b.ready(); err != nil {
		return sidecar.CloudEvent{}, err
	}
	id := uuid.NewString()
	if err := b.publish(ctx, id, data); err != nil {
		return sidecar.CloudEvent{}, err
	}
	if !b.until(ctx, deliveredWithin, func() bool { return b.counts[id] > 0 }) {
		return sidecar.CloudEvent{}, fmt.Errorf("an event of %d bytes did not arrive under its id within %s", len(data), deliveredWithin)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.events[id], nil
}

func brokerEnvelope(ctx context.Context, r *run) (string, error) {
	data := []byte(`{"text":"Köln 東京 👩‍🔬 \"quoted\"","n":9007199254740993}`)
	event, err := r.broker.roundTrip(ctx, data)
	if err != nil {
		return "", err
	}
	for _, part := range []struct{ what, got, want string }{{"type", event.Type, brokerEventType}, {"source", event.Source, brokerSource}} {
		if part.got != part.want {
			return "", fmt.Errorf("%s %q arrived as %q", part.what, part.want, part.got)
		}
	}
	if !jsondoc.Same(event.Data, data) {
		return "", fmt.Errorf("data %s arrived as %s", data, brief(event.Data))
	}
	const traceID = len("00-") + 32
	if len(event.TraceParent) < traceID || event.TraceParent[:traceID] != traceParent[:traceID] {
		return "its trace is not carried on", nil
	}
	return "", nil
}

func brokerLarge(ctx context.Context, r *run) (string, error) {
	data := document64(1, sidecar.MaxValueBytes)
	event, err := r.broker.roundTrip(ctx, data)
	if err != nil {
		return "", err
	}
	if !jsondoc.Same(event.Data, data) {
		return "", errors.New("its data arrived changed")
	}
	return "", nil
}

func brokerRedelivers(ctx context.Context, r *run) (string, error) {
	b := r.broker
	if err := b.ready(); err != nil {
		return "", err
	}
	id := uuid.NewString()
	b.mu.Lock()
	b.nack[id] = true
	b.mu.Unlock()
	if err := b.publish(ctx, id, []byte(`{}`)); err != nil {
		return "", err
	}
	if !b.until(ctx, deliveredWithin, func() bool { return b.counts[id] > 0 }) {
		return "", fmt.Errorf("the event did not arrive within %s", deliveredWithin)
	}
	began := time.Now()
	if !b.until(ctx, redeliveredWithin, func() bool { return b.counts[id] > 1 }) {
		return "", fmt.Errorf("it was not handed over again within %s (it may come later, or never)", redeliveredWithin)
	}
	return "again after " + short(time.Since(began)).String(), nil
}
