package contracts

// Try says what contracts that the operator would give make of those in use, without what the gateway offers of its own accord.
func (b *Book) Try(given []*Contract) (*Set, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.join(given, nil)
}

// Extend puts in the place of what there was beside the services' contracts: those that the operator gives and no service tells, and
// what the gateway offers of its own accord. If that cannot be joined with the others, nothing changes.
func (b *Book) Extend(given []*Contract, extra Extra) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	wasGiven, wasExtra, wasUnfit := b.given, b.extra, b.unfit
	b.given, b.extra, b.unfit = given, extra, nil
	err := b.adopt()
	if err != nil {
		b.given, b.extra, b.unfit = wasGiven, wasExtra, wasUnfit
		return err
	}
	for c := range wasUnfit {
		b.metrics.inUse(c.Service, false)
	}
	return nil
}

// judge finds which of the contracts that the operator gives fit beside those of the services; b.mu is held. They were judged when they
// were given, but at the start that is before any service has told its own: so they must not cost a service its contract, nor be taken for
// what it offers. One that does not fit is left out whole until the services' change or the operator mends it. The error is of the services'
// contracts alone.
func (b *Book) judge() error {
	b.unfit = map[*Contract]*Refusal{}
	if len(b.given) == 0 {
		return nil
	}
	_, unfit, err := Fit(b.given, func(given []*Contract) (*Set, error) { return b.join(given, nil) })
	if err != nil {
		return err
	}
	for _, u := range unfit {
		c := u.Contract
		b.unfit[c] = &Refusal{At: b.deps.Now(), Version: c.Version, ETag: c.ETag, Reasons: u.Reasons}
		b.deps.Log.Error("a contract that gateway.yaml gives does not fit beside those of the shop and is left out", "of", c.Service, "reasons", u.Reasons)
	}
	for _, c := range b.given {
		b.metrics.inUse(c.Service, b.unfit[c] != nil)
	}
	return nil
}
