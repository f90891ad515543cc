package delivery

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const (
	wholePercent = 100
	maxShares    = 4   // brokers that one event can name
	maxName      = 64  // bytes of a component's name
	maxShareText = 512 // bytes of Shares as text
)

// componentName is what a broker's component may be called: a Kubernetes object's name.
var componentName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// ValidName says whether name can be the name of a broker's component.
func ValidName(name string) bool { return len(name) <= maxName && componentName.MatchString(name) }

// Share is the part of all segments that a broker is given.
type Share struct {
	Broker  string // the component's name
	Percent int    // 0 to 100
}

// Shares says what each broker is given, as its publisher wrote it on the event. Nil is an event that says nothing of it.
type Shares []Share

// String is the text that travels on an event: "pubsub=100,pubsub-next=10".
func (s Shares) String() string {
	var b strings.Builder
	for i, share := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(share.Broker)
		b.WriteByte('=')
		b.WriteString(strconv.Itoa(share.Percent))
	}
	return b.String()
}

// ParseShares reads String's text; "" is nil.
func ParseShares(text string) (Shares, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxShareText {
		return nil, fmt.Errorf("shares of %d bytes, the bound is %d", len(text), maxShareText)
	}
	var s Shares
	for part := range strings.SplitSeq(text, ",") {
		broker, number, _ := strings.Cut(part, "=")
		percent, err := strconv.Atoi(number)
		if err != nil || percent < 0 || percent > wholePercent || !ValidName(broker) {
			return nil, fmt.Errorf("%q is not a share such as pubsub=%d", part, wholePercent)
		}
		s = append(s, Share{Broker: broker, Percent: percent})
	}
	if len(s) > maxShares {
		return nil, fmt.Errorf("shares of %d brokers, the bound is %d", len(s), maxShares)
	}
	return s, nil
}

// of is the percentage that broker is given; 0 when it is not named.
func (s Shares) of(broker string) int {
	for _, share := range s {
		if share.Broker == broker {
			return share.Percent
		}
	}
	return 0
}

// InShare says whether the segment of an event's id belongs to the share of percent. It is a pure function, the same in every
// process and version: the first eight bytes of the id's SHA-256 as a big-endian number, modulo 100, are below percent. So a larger
// share contains every smaller one.
func InShare(id string, percent int) bool {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:8])%wholePercent < uint64(max(percent, 0))
}

// SegmentID is the id of the event that announces a segment: {service}/{shard}/{seq}.
func SegmentID(source string, shard int, seq uint64) string {
	return source + "/" + strconv.Itoa(shard) + "/" + strconv.FormatUint(seq, 10)
}

// maxShard bounds what is believed of an event's id.
const maxShard = 1 << 16

var errNoSegment = errors.New("the event's id does not name a segment")

// parseSegmentID reads SegmentID's text.
func parseSegmentID(id string) (source string, shard int, seq uint64, err error) {
	source, rest, _ := strings.Cut(id, "/")
	shardText, seqText, _ := strings.Cut(rest, "/")
	shard, err = strconv.Atoi(shardText)
	if err == nil {
		seq, err = strconv.ParseUint(seqText, 10, 64)
	}
	if err != nil || source == "" || shard < 0 || shard >= maxShard || seq == 0 || SegmentID(source, shard, seq) != id {
		return "", 0, 0, errNoSegment
	}
	return source, shard, seq, nil
}
