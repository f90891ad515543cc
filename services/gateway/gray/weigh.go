package gray

// leastRate is what a moving success rate counts at the least: a stage that gets nothing could never show that it has recovered.
const leastRate = 0.05

// weigh draws a stage by weight: the configured one times the share that the stage has earned times its moving success rate. If
// the one drawn has out of all proportion under way, more than one and a half times its part of the route's requests and a few, the second of two
// draws is looked at and the one with less for its weight is taken. In quiet times, therefore, the shares are those of the weights.
func (at *route) weigh(r *Router) *target {
	var weights [maxStages]float64
	sum, busy := 0.0, int64(0)
	for i, t := range at.targets {
		if t.weight > 0 {
			weights[i] = float64(t.weight) * t.trust.part(r.now) * max(leastRate, t.trust.rate())
		}
		sum += weights[i]
		busy += t.trust.inFlight.Load()
	}
	if sum == 0 {
		return at.stable()
	}
	drawn := draw(weights, sum, r.draw())
	if load := at.targets[drawn].trust.inFlight.Load(); float64(load) > fewMore+1.5*float64(busy)*weights[drawn]/sum {
		other := draw(weights, sum, r.draw())
		if float64(at.targets[other].trust.inFlight.Load())*weights[drawn] < float64(load)*weights[other] {
			drawn = other
		}
	}
	return at.targets[drawn]
}

// fewMore is how many requests are never out of proportion.
const fewMore = 4

// draw takes 64 random bits to an index, by weight.
func draw(weights [maxStages]float64, sum float64, bits uint64) int {
	at := float64(bits>>11) / (1 << 53) * sum
	last := 0
	for i, w := range weights {
		if w == 0 {
			continue
		}
		last = i
		if at < w {
			break
		}
		at -= w
	}
	return last
}
