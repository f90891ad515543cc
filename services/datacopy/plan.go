package datacopy

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// Plan is what a Run would copy, as of now. Bytes and seconds are estimates from a sample.
type Plan struct {
	Services []ServicePlan `json:"services"`
	Resumes  bool          `json:"resumes"` // an earlier run has begun already
	// ReadSecs is how long it takes to read all of it from the source at the speed of the sample; a copy writes and reads
	// it back too, so it takes longer.
	ReadSecs float64 `json:"read_seconds"`
}

// ServicePlan is the part of one service.
type ServicePlan struct {
	Service       string `json:"service"`
	Shards        int    `json:"shards"`
	Segments      uint64 `json:"segments"`
	SegmentBytes  int64  `json:"segment_bytes"`
	SnapshotBytes int64  `json:"snapshot_bytes"`
	// Catalogued is how many archived aggregates the catalogue names; segments may name more.
	Catalogued int `json:"catalogued"`
}

// sampleSegments of each shard are read for the estimate.
const sampleSegments = 64

// Plan looks at both stores, refuses what Run would refuse at its beginning, and writes nothing.
func (c *Copier) Plan(ctx context.Context) (Plan, error) {
	metas, err := c.metas(ctx)
	if err != nil {
		return Plan{}, err
	}
	if err := c.mustBeFree(ctx, metas); err != nil {
		return Plan{}, err
	}
	r, err := c.readRecord(ctx)
	if err != nil {
		return Plan{}, err
	}
	if r.Phase == phaseSwitched {
		return Plan{}, finalf("this copy has switched: the target is the shop already")
	}
	plan := Plan{Resumes: r.Version != 0, Services: make([]ServicePlan, len(c.cfg.Services))}
	var g errgroup.Group
	g.SetLimit(maxParallelShards)
	secs := make([]float64, len(c.cfg.Services))
	for i, service := range c.cfg.Services {
		g.Go(func() error {
			p := &plan.Services[i]
			p.Service, p.Shards = service.Name, metas[service.Name].Shards
			for n := range p.Shards {
				s := &shardCopy{Copier: c, service: service, keys: journal.Keys{Service: service.Name}, shard: n}
				took, err := s.plan(ctx, p)
				if err != nil {
					return err
				}
				secs[i] += took
			}
			return nil
		})
	}
	err = g.Wait()
	for _, took := range secs {
		plan.ReadSecs += took
	}
	return plan, err
}

// plan adds the shard to p and says about how many seconds reading it takes.
func (s *shardCopy) plan(ctx context.Context, p *ServicePlan) (float64, error) {
	h, err := s.header(ctx, s.source)
	if err != nil {
		return 0, err
	}
	end, err := s.end(ctx)
	if err != nil {
		return 0, err
	}
	segments := end - min(end, h.TrimmedThrough)
	p.Segments += segments
	p.SnapshotBytes += int64(h.Bytes)
	keys := make([]string, min(segments, sampleSegments))
	for i := range keys {
		keys[i] = s.keys.Segment(s.shard, end-uint64(i))
	}
	began := time.Now()
	items, err := s.getMany(ctx, s.source, keys)
	if err != nil {
		return 0, err
	}
	took := time.Since(began).Seconds()
	var bytes int64
	for _, item := range items {
		bytes += int64(len(item.Value))
	}
	if len(keys) == 0 {
		return 0, s.countCatalogue(ctx, p)
	}
	share := float64(segments) / float64(len(keys))
	p.SegmentBytes += int64(float64(bytes) * share)
	return took * share, s.countCatalogue(ctx, p)
}

func (s *shardCopy) countCatalogue(ctx context.Context, p *ServicePlan) error {
	if s.service.Archive == nil {
		return nil
	}
	catalogue := archive.NewCatalogue(s.source, *s.service.Archive)
	for n := 0; ; n++ {
		var page archive.CataloguePage
		there := false
		err := s.insist(ctx, "reading the catalogue", func(ctx context.Context) (err error) {
			page, there, err = catalogue.Page(ctx, s.shard, n)
			return err
		})
		if err != nil || !there {
			return err
		}
		p.Catalogued += len(page.IDs)
	}
}
