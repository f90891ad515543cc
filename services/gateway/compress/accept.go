package compress

import "strings"

// accepted is how much a caller wants each coding: weights from 0 (not at all) to 1000, -1 where nothing was said.
type accepted struct{ zstd, br, gzip, identity, any int }

// parseAccept reads an Accept-Encoding (RFC 9110, section 12.5.3). What it cannot read it passes over, as that section
// allows nobody to fail for it. x-gzip is gzip.
func parseAccept(header string) accepted {
	a := accepted{-1, -1, -1, -1, -1}
	for item := range strings.SplitSeq(header, ",") {
		name, parameters, _ := strings.Cut(item, ";")
		weight := weightOf(parameters)
		if weight < 0 {
			continue
		}
		name = strings.TrimSpace(name)
		switch {
		case strings.EqualFold(name, "gzip"), strings.EqualFold(name, "x-gzip"):
			a.gzip = weight
		case strings.EqualFold(name, "br"):
			a.br = weight
		case strings.EqualFold(name, "zstd"):
			a.zstd = weight
		case strings.EqualFold(name, "identity"):
			a.identity = weight
		case name == "*":
			a.any = weight
		}
	}
	return a
}

// weight is that of a coding, of which nothing may have been said by name.
func (a accepted) weight(coding string) int {
	said := -1
	switch coding {
	case "zstd":
		said = a.zstd
	case "br":
		said = a.br
	case "gzip":
		said = a.gzip
	}
	if said < 0 {
		said = a.any
	}
	return max(said, 0)
}

// choose gives the coding of the highest weight, of equal ones the first; "" if the caller takes none of them, or would
// rather have the plain answer.
func (a accepted) choose(codings []string) string {
	best, weight := "", max(a.identity, 0)
	for _, coding := range codings {
		if w := a.weight(coding); w > 0 && (w > weight || best == "" && w == weight) {
			best, weight = coding, w
		}
	}
	return best
}

// weightOf reads the parameters of an item, ";q=0.5": a number from 0 to 1 with at most three decimals, in thousandths;
// 1000 where there is none, -1 where there is something else.
func weightOf(parameters string) int {
	parameters = strings.TrimSpace(parameters)
	if parameters == "" {
		return 1000
	}
	name, value, found := strings.Cut(parameters, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return -1
	}
	value = strings.TrimSpace(value)
	whole, decimals, _ := strings.Cut(value, ".")
	if len(decimals) > 3 || whole != "0" && whole != "1" {
		return -1
	}
	weight := int(whole[0]-'0') * 1000
	for i, unit := 0, 100; i < len(decimals); i, unit = i+1, unit/10 {
		if decimals[i] < '0' || decimals[i] > '9' {
			return -1
		}
		weight += int(decimals[i]-'0') * unit
	}
	if weight > 1000 {
		return -1
	}
	return weight
}
