package journal

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sidecart/sidecart/services/kit/failpoint"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// announcement is a committed segment on its way to the broker.
type announcement struct {
	segment Segment // without its events
	encoded []byte
}

// publisher announces one shard's segments in order. It never delays a commit: what finds no room is dropped and
// counted, because followers repair losses from the journal.
type publisher struct {
	publish func(context.Context, Segment, []byte) error
	waiting chan announcement
	metrics *metrics
	log     *slog.Logger
}

func (p *publisher) offer(a announcement) {
	if p.publish == nil {
		return
	}
	select {
	case p.waiting <- a:
	default:
		p.metrics.publishDropped.Inc()
	}
}

// run works until ctx ends. A broker that is down is logged when it goes and when it comes back, not at every segment.
func (p *publisher) run(ctx context.Context) error {
	var down time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-p.waiting:
			failpoint.Hit(failpoint.BeforePublish)
			attempt, cancel := context.WithTimeout(ctx, publishWithin)
			err := p.publish(attempt, a.segment, a.encoded)
			cancel()
			switch {
			case errors.Is(err, sidecar.ErrUnheard): // the broker may be as it was, or not
			case err != nil && ctx.Err() == nil:
				p.metrics.publishFailures.Inc()
				if down.IsZero() {
					down = time.Now()
					p.log.WarnContext(ctx, "the broker does not take segments; followers will pull", "seq", a.segment.Seq, "error", err)
				}
			case err == nil && !down.IsZero():
				p.log.InfoContext(ctx, "the broker takes segments again", "seq", a.segment.Seq, "was_down", time.Since(down))
				down = time.Time{}
			}
		}
	}
}
