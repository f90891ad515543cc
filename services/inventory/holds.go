package inventory

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// dropWithin bounds how long a refused caller waits for what was held for it to be released again.
const dropWithin = 3 * time.Second

// part is the lines of a hold that live in one shard.
type part struct {
	shard int
	lines []inventoryapi.HoldLine
}

// holding is the hold of one order on its way through the shards.
type holding struct {
	ask   inventoryapi.HoldRequest
	cmd   HoldLines // but for the lines, which are those of each part
	parts []part
	held  int // so many of the parts are
	hold  inventoryapi.Hold
	err   error // why there is none
}

// hold sets all lines aside or none.
func (s *Service) hold(ctx context.Context, ask inventoryapi.HoldRequest) (inventoryapi.Hold, error) {
	h := s.holdEach(ctx, []inventoryapi.HoldRequest{ask})[0]
	return h.hold, h.err
}

// holdEach does so for several orders, each as if it had been asked for alone; their commands share commits. Within a
// shard a hold is one commit. Over several shards it is one commit each; a refusal takes back what this call had got,
// at once and by its claim, so that a call for the same order that runs at the same time keeps what it relies on. An unknown
// outcome takes nothing back: the caller repeats, or it all expires.
func (s *Service) holdEach(ctx context.Context, asks []inventoryapi.HoldRequest) []*holding {
	all := make([]*holding, len(asks))
	for i, ask := range asks {
		all[i] = s.begin(ask)
	}
	for s.holdNext(ctx, all) {
	}
	var refused []*holding
	for _, h := range all {
		if h.refused() {
			refused = append(refused, h)
		}
	}
	s.nameMissing(ctx, refused)
	return all
}

func (s *Service) begin(ask inventoryapi.HoldRequest) *holding {
	h := &holding{ask: ask}
	if h.err = checkHold(ask); h.err != nil {
		return h
	}
	sorted := slices.SortedFunc(slices.Values(ask.Lines), bySKU)
	h.parts = s.split(sorted)
	h.cmd = HoldLines{ID: ask.ID, Fingerprint: fingerprint(sorted), HoldSeconds: ask.HoldSeconds}
	if len(h.parts) > 1 {
		h.cmd.Claim = s.deps.NewID()
	}
	h.hold = inventoryapi.Hold{ID: ask.ID, Lines: make([]inventoryapi.HeldLine, len(ask.Lines))}
	return h
}

// refused tells whether shards were asked and one of them said no; of an unknown outcome nobody can tell.
func (h *holding) refused() bool {
	return len(h.parts) > 1 && h.err != nil && !errs.HasCode(h.err, errs.CodeOutcomeUnknown)
}

// holdNext asks for the next part of every hold that is not whole yet, and takes back the holds that this refused: others
// may want the stock while the rest of the call goes on. False says that there was nothing to ask for.
func (s *Service) holdNext(ctx context.Context, all []*holding) bool {
	var asked []*holding
	var assigned []*journal.Assigned
	for _, h := range all {
		if h.err != nil || h.held == len(h.parts) {
			continue
		}
		next := h.parts[h.held]
		cmd := h.cmd
		cmd.Lines = next.lines
		asked, assigned = append(asked, h), append(assigned, &journal.Assigned{Shard: next.shard, Cmd: cmd})
	}
	s.journal.DoEach(ctx, assigned)
	var begun []*holding // and refused
	for i, h := range asked {
		if h.err = assigned[i].Err; h.err == nil {
			h.take(assigned[i].Result.Answer.(*Hold))
		} else if h.held > 0 && h.refused() {
			begun = append(begun, h)
		}
	}
	if len(begun) > 0 {
		s.takeBack(ctx, begun)
	}
	return len(asked) > 0
}

// take enters what one shard holds.
func (h *holding) take(of *Hold) {
	for i, l := range h.ask.Lines {
		if at := of.line(l.SKU); at >= 0 {
			h.hold.Lines[i] = of.Lines[at].HeldLine
		}
	}
	if h.held == 0 || of.ExpiresAt.Before(h.hold.ExpiresAt) {
		h.hold.ExpiresAt = of.ExpiresAt
	}
	h.held++
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

// takeBack releases the parts that refused holds had got. Their callers may be gone; what was held for them is not.
func (s *Service) takeBack(ctx context.Context, refused []*holding) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropWithin)
	defer cancel()
	var drops []*journal.Assigned
	for _, h := range refused {
		for _, p := range h.parts[:h.held] {
			drops = append(drops, &journal.Assigned{Shard: p.shard, Cmd: DropHold{ID: h.cmd.ID, Claim: h.cmd.Claim}})
		}
	}
	s.journal.DoEach(ctx, drops)
	for _, d := range drops {
		if d.Err != nil {
			s.deps.Log.WarnContext(ctx, "a part of a refused hold was not released; it will expire",
				"hold", d.Cmd.(DropHold).ID, "shard", d.Shard, "error", d.Err)
		}
	}
}

// nameMissing adds to refusals the missing SKUs of the shards that were not asked yet.
func (s *Service) nameMissing(ctx context.Context, refused []*holding) {
	var asked []*holding
	var checks []*journal.Assigned
	for _, h := range refused {
		if _, _, ok := missing(h.err); !ok {
			continue
		}
		for _, p := range h.parts[h.held+1:] {
			asked, checks = append(asked, h), append(checks, &journal.Assigned{Shard: p.shard, Cmd: CheckLines{Lines: p.lines}})
		}
	}
	s.journal.DoEach(ctx, checks)
	for i, h := range asked {
		h.err = bothMissing(h.err, checks[i].Err)
	}
}

// bothMissing joins the refusals of two shards; the second may also have nothing against its lines, or have failed.
func bothMissing(first, second error) error {
	unknown, short, ok := missing(first)
	if !ok || second == nil {
		return first
	}
	moreUnknown, moreShort, ok := missing(second)
	if !ok {
		return second
	}
	unknown, short = append(unknown, moreUnknown...), append(short, moreShort...)
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
