package inventory

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
)

// dropWithin bounds how long a refused caller waits for what was held for it to be released again.
const dropWithin = 3 * time.Second

// part is the lines of a hold that live in one shard.
type part struct {
	shard int
	lines []inventoryapi.HoldLine
}

// holdEach answers the holds of several orders, each as if it had been asked for alone. All of them are given to their
// shards at once, so that they share commits.
func (s *Service) holdEach(ctx context.Context, asks []inventoryapi.HoldRequest) inventoryapi.HoldsAnswer {
	answer := inventoryapi.HoldsAnswer{Results: make([]inventoryapi.HoldResult, len(asks))}
	var all sync.WaitGroup
	for i, ask := range asks {
		all.Go(func() {
			hold, err := s.holdOne(ctx, ask)
			if err != nil {
				answer.Results[i].Refusal = inventoryapi.RefusalOf(err)
				return
			}
			answer.Results[i].Hold = &hold
		})
	}
	all.Wait()
	return answer
}

// holdOne is one hold of several. What goes wrong with it is its own affair, and its cause is told here, because the
// answer to them all is no failure.
func (s *Service) holdOne(ctx context.Context, ask inventoryapi.HoldRequest) (hold inventoryapi.Hold, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		if e := errs.From(err); e != nil && e.Kind == errs.Internal {
			s.deps.Log.ErrorContext(ctx, "a hold failed", "hold", ask.ID, "error", err)
		}
	}()
	if err := checkHold(ask); err != nil {
		return inventoryapi.Hold{}, err
	}
	return s.hold(ctx, ask)
}

// hold sets all lines aside or none. Within a shard that is one commit. Over several shards it is one commit each;
// a refusal takes back what this call had got, by its claim, so that a call for the same order that runs at the
// same time keeps what it relies on. An unknown outcome takes nothing back: the caller repeats, or it all expires.
func (s *Service) hold(ctx context.Context, req inventoryapi.HoldRequest) (inventoryapi.Hold, error) {
	parts := s.split(req.Lines)
	cmd := HoldLines{ID: req.ID, Fingerprint: fingerprint(req.Lines), HoldSeconds: req.HoldSeconds}
	if len(parts) > 1 {
		cmd.Claim = s.deps.NewID()
	}
	answer := inventoryapi.Hold{ID: req.ID}
	heldLines := make(map[string]inventoryapi.HeldLine, len(req.Lines))
	for i, p := range parts {
		cmd.Lines = p.lines
		result, err := s.journal.DoShard(ctx, p.shard, cmd)
		if err != nil {
			return inventoryapi.Hold{}, s.refuse(ctx, cmd, parts[:i], parts[i+1:], err)
		}
		h := result.Answer.(*Hold)
		for _, l := range h.Lines {
			heldLines[l.SKU] = l.HeldLine
		}
		if i == 0 || h.ExpiresAt.Before(answer.ExpiresAt) {
			answer.ExpiresAt = h.ExpiresAt
		}
	}
	for _, l := range req.Lines {
		answer.Lines = append(answer.Lines, heldLines[l.SKU])
	}
	return answer, nil
}

// split groups lines by shard. Shards that look as if they would refuse come first, because a refusal then costs
// no write; what they look like decides nothing.
func (s *Service) split(lines []inventoryapi.HoldLine) []part {
	var parts []part
	for _, l := range slices.SortedFunc(slices.Values(lines), bySKU) {
		shard := s.journal.ShardOf(l.SKU)
		i := slices.IndexFunc(parts, func(p part) bool { return p.shard == shard })
		if i < 0 {
			i = len(parts)
			parts = append(parts, part{shard: shard})
		}
		parts[i].lines = append(parts[i].lines, l)
	}
	if len(parts) == 1 {
		return parts
	}
	rank := func(p part) int {
		if refusal(s.journal.State(p.shard), p.lines) != nil {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(rank(a), rank(b)) })
	return parts
}

// refuse takes back what was held before err, and names the missing SKUs of the shards that were not asked yet.
func (s *Service) refuse(ctx context.Context, cmd HoldLines, before, after []part, err error) error {
	if errs.HasCode(err, errs.CodeOutcomeUnknown) {
		return err
	}
	// The caller may be gone; what was held for it is not.
	dropCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropWithin)
	defer cancel()
	for _, p := range before {
		if _, dropErr := s.journal.DoShard(dropCtx, p.shard, DropHold{ID: cmd.ID, Claim: cmd.Claim}); dropErr != nil {
			s.deps.Log.WarnContext(ctx, "a part of a refused hold was not released; it will expire",
				"hold", cmd.ID, "shard", p.shard, "error", dropErr)
		}
	}
	unknown, short, ok := missing(err)
	if !ok {
		return err
	}
	for _, p := range after {
		_, err := s.journal.DoShard(ctx, p.shard, CheckLines{Lines: p.lines})
		u, sh, ok := missing(err)
		if err != nil && !ok {
			return err
		}
		unknown, short = append(unknown, u...), append(short, sh...)
	}
	slices.Sort(unknown)
	slices.SortFunc(short, func(a, b inventoryapi.Shortage) int { return cmp.Compare(a.SKU, b.SKU) })
	return refuseLines(unknown, short)
}

// missing reads a refusal of refuseLines; ok is false for any other error.
func missing(err error) (unknown []string, short []inventoryapi.Shortage, ok bool) {
	e, isErr := errors.AsType[*errs.Error](err)
	if !isErr {
		return nil, nil, false
	}
	switch e.Code {
	case inventoryapi.CodeUnknownSKU:
		unknown, ok = e.Extra[inventoryapi.MemberUnknownSKUs].([]string)
	case inventoryapi.CodeSoldOut:
		short, ok = e.Extra[inventoryapi.MemberSKUs].([]inventoryapi.Shortage)
	}
	return slices.Clone(unknown), slices.Clone(short), ok
}

// releaseHold lets go of a hold of which no order came, in every shard that the SKUs live in.
func (s *Service) releaseHold(ctx context.Context, id string, skus []string) error {
	shards := map[int]bool{}
	for _, sku := range skus {
		shards[s.journal.ShardOf(sku)] = true
	}
	for shard := range shards {
		if _, err := s.journal.DoShard(ctx, shard, DropHold{ID: id, All: true}); err != nil {
			return err
		}
	}
	return nil
}

// fingerprint tells one set of lines from another, in whatever order they are.
func fingerprint(lines []inventoryapi.HoldLine) string {
	h := sha256.New()
	for _, l := range slices.SortedFunc(slices.Values(lines), bySKU) {
		_, _ = fmt.Fprintf(h, "%s|%d\n", l.SKU, l.Quantity) // a hash does not fail
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func bySKU(a, b inventoryapi.HoldLine) int { return cmp.Compare(a.SKU, b.SKU) }
