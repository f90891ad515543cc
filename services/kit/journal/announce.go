package journal

import (
	"context"
	"fmt"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// SegmentEventType is the CloudEvents type of a published segment.
const SegmentEventType = "sidecart.journal.segment"

// AnnounceOn is a Deps.Publish that sends every segment as one CloudEvent on the topic named after the service.
func AnnounceOn(p sidecar.Publisher) func(ctx context.Context, s Segment, encoded []byte) error {
	return func(ctx context.Context, s Segment, encoded []byte) error {
		return p.Publish(ctx, s.Service, sidecar.CloudEvent{
			ID:          fmt.Sprintf("%s/%d/%d", s.Service, s.Shard, s.Seq),
			Type:        SegmentEventType,
			Source:      s.Service,
			TraceParent: s.Trace,
			Data:        encoded,
		})
	}
}
