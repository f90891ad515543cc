package sidecar

import (
	"context"
	"fmt"

	dapr "github.com/dapr/go-sdk/client"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ContentTypeCloudEvent is the media type of a CloudEvents 1.0 envelope in JSON.
const ContentTypeCloudEvent = "application/cloudevents+json"

// envelope is the CloudEvent as it travels. Handing Dapr the whole envelope keeps our id; it would make one up otherwise.
// Dapr passes it on as bytes (NewSubscription), so nothing in between reads or changes it.
type envelope struct {
	SpecVersion     string         `json:"specversion"`
	ID              string         `json:"id"`
	Source          string         `json:"source"`
	Type            string         `json:"type"`
	DataContentType string         `json:"datacontenttype"`
	TraceParent     string         `json:"traceparent,omitzero"`
	TraceID         string         `json:"traceid,omitzero"` // Dapr overwrites traceparent unless its older name is there
	Shares          string         `json:"sidecartshares,omitzero"`
	Data            jsontext.Value `json:"data"`
}

// EncodeCloudEvent writes event as a CloudEvents 1.0 envelope in JSON.
func EncodeCloudEvent(event CloudEvent) ([]byte, error) {
	b, err := json.Marshal(envelope{
		SpecVersion: "1.0", ID: event.ID, Source: event.Source, Type: event.Type,
		DataContentType: "application/json", TraceParent: event.TraceParent, TraceID: event.TraceParent, Shares: event.Shares, Data: event.Data,
	})
	if err != nil {
		return nil, fmt.Errorf("cloud event %s: %w", event.ID, err)
	}
	return b, nil
}

// DecodeCloudEvent reads an event as the sidecar delivers it: our envelope, or one of Dapr's around the bytes of ours
// (NewSubscription). Members that it does not know are passed over.
func DecodeCloudEvent(b []byte) (CloudEvent, error) {
	var around struct {
		envelope
		Raw []byte `json:"data_base64,omitzero"`
	}
	if err := json.Unmarshal(b, &around); err != nil {
		return CloudEvent{}, fmt.Errorf("cloud event: %w", err)
	}
	e := around.envelope
	if around.Raw != nil {
		e = envelope{}
		if err := json.Unmarshal(around.Raw, &e); err != nil {
			return CloudEvent{}, fmt.Errorf("cloud event in the bytes of event %s: %w", around.ID, err)
		}
	}
	return CloudEvent{ID: e.ID, Type: e.Type, Source: e.Source, TraceParent: e.TraceParent, Shares: e.Shares, Data: e.Data}, nil
}

// Subscription asks Dapr for a topic: an element of the answer to GET /dapr/subscribe.
type Subscription struct {
	Component string            `json:"pubsubname"`
	Topic     string            `json:"topic"`
	Route     string            `json:"route"` // where the app takes the events: DecodeCloudEvent reads the body
	Metadata  map[string]string `json:"metadata"`
}

// NewSubscription asks for a topic's events as they were published, byte by byte. Dapr would otherwise read each into a
// tree and write it out again, on publishing and on delivery, which costs it more than anything else it does with a
// large segment. An app with a subscription that does not say so gets the same envelopes.
func NewSubscription(component, topic, route string) Subscription {
	return Subscription{Component: component, Topic: topic, Route: route, Metadata: map[string]string{"rawPayload": "true"}}
}

// Publish sends event on topic of the component PubSub.
func (c *Client) Publish(ctx context.Context, topic string, event CloudEvent) error {
	return c.On(PubSub).Publish(ctx, topic, event)
}

// On gives a Publisher to another broker's component.
func (c *Client) On(component string) Publisher { return broker{client: c, component: component} }

// broker is one pub/sub component of a Client's sidecar.
type broker struct {
	client    *Client
	component string
}

func (b broker) Publish(ctx context.Context, topic string, event CloudEvent) error {
	encoded, err := EncodeCloudEvent(event)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, b.client.cfg.PublishWithin)
	defer cancel()
	if err := b.client.api.PublishEvent(ctx, b.component, topic, encoded,
		dapr.PublishEventWithContentType(ContentTypeCloudEvent), dapr.PublishEventWithRawPayload()); err != nil {
		return fmt.Errorf("publish %s on %s of %s: %w", event.ID, topic, b.component, err)
	}
	return nil
}
