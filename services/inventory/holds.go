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
	"strconv"
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
	sorted := slices.SortedFunc(slices.Values(req.Lines), bySKU)
	parts := s.split(sorted)
	cmd := HoldLines{ID: req.ID, Fingerprint: fingerprint(sorted), HoldSeconds: req.HoldSeconds}
	if len(parts) > 1 {
		cmd.Claim = s.deps.NewID()
	}
	answer := inventoryapi.Hold{ID: req.ID, Lines: make([]inventoryapi.HeldLine, len(req.Lines))}
	for i, p := range parts {
		cmd.Lines = p.lines
		result, err := s.journal.DoShard(ctx, p.shard, cmd)
		if err != nil {
			return inventoryapi.Hold{}, s.refuse(ctx, cmd, parts[:i], parts[i+1:], err)
		}
		h := result.Answer.(*Hold)
		for at, l := range req.Lines {
			if of := h.line(l.SKU); of >= 0 {
				answer.Lines[at] = h.Lines[of].HeldLine
			}
		}
		if i == 0 || h.ExpiresAt.Before(answer.ExpiresAt) {
			answer.ExpiresAt = h.ExpiresAt
		}
	}
	return answer, nil
}

// split groups sorted lines by shard. Shards that look as if they would refuse come first, because a refusal then costs
// no write; what they look like decides nothing.
func (s *Service) split(lines []inventoryapi.HoldLine) []part {
	var parts []part
	for i, l := range lines {
		shard := s.journal.ShardOf(l.SKU)
		at := slices.IndexFunc(parts, func(p part) bool { return p.shard == shard })
		if at < 0 {
			at = len(parts)
			parts = append(parts, part{shard: shard, lines: make([]inventoryapi.HoldLine, 0, len(lines)-i)})
		}
		parts[at].lines = append(parts[at].lines, l)
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

// fingerprint tells one set of lines from another: they are sorted, so in whatever order they came.
func fingerprint(sorted []inventoryapi.HoldLine) string {
	const typicalBytes = 128 // of a line or two
	text := make([]byte, 0, typicalBytes)
	for _, l := range sorted {
		text = append(append(text, l.SKU...), '|')
		text = append(strconv.AppendInt(text, l.Quantity, 10), '\n')
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

func bySKU(a, b inventoryapi.HoldLine) int { return cmp.Compare(a.SKU, b.SKU) }
