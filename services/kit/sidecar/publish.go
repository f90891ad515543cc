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
type envelope struct {
	SpecVersion     string         `json:"specversion"`
	ID              string         `json:"id"`
	Source          string         `json:"source"`
	Type            string         `json:"type"`
	DataContentType string         `json:"datacontenttype"`
	TraceParent     string         `json:"traceparent,omitzero"`
	TraceID         string         `json:"traceid,omitzero"` // Dapr overwrites traceparent unless its older name is there
	Data            jsontext.Value `json:"data"`
}

// EncodeCloudEvent writes event as a CloudEvents 1.0 envelope in JSON.
func EncodeCloudEvent(event CloudEvent) ([]byte, error) {
	b, err := json.Marshal(envelope{
		SpecVersion: "1.0", ID: event.ID, Source: event.Source, Type: event.Type,
		DataContentType: "application/json", TraceParent: event.TraceParent, TraceID: event.TraceParent, Data: event.Data,
	})
	if err != nil {
		return nil, fmt.Errorf("cloud event %s: %w", event.ID, err)
	}
	return b, nil
}

// DecodeCloudEvent reads an envelope that a broker delivered; members that it does not know are passed over.
func DecodeCloudEvent(b []byte) (CloudEvent, error) {
	var e envelope
	if err := json.Unmarshal(b, &e); err != nil {
		return CloudEvent{}, fmt.Errorf("cloud event: %w", err)
	}
	return CloudEvent{ID: e.ID, Type: e.Type, Source: e.Source, TraceParent: e.TraceParent, Data: e.Data}, nil
}

// Publish sends event on topic.
func (c *Client) Publish(ctx context.Context, topic string, event CloudEvent) error {
	encoded, err := EncodeCloudEvent(event)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.PublishWithin)
	defer cancel()
	if err := c.api.PublishEvent(ctx, PubSub, topic, encoded, dapr.PublishEventWithContentType(ContentTypeCloudEvent)); err != nil {
		return fmt.Errorf("publish %s on %s: %w", event.ID, topic, err)
	}
	return nil
}
