package broker

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Bounds that a Config may not exceed.
const (
	maxTopics        = 64
	maxTopicNameLen  = 64
	maxPort          = 65535
	minTopicMaxBytes = 1 << 20

	// maxMessageBytes leaves room for the CloudEvents envelope around the
	// largest body that daprd takes by default (4 MiB).
	maxMessageBytes = 5 << 20
)

// What a Config has when it says nothing else.
const (
	DefaultTopicMaxBytes = 64 << 20
	DefaultTopicMaxAge   = 6 * time.Hour
)

// Config says where the broker listens and what it keeps.
type Config struct {
	Port     int      // NATS on 127.0.0.1; 0 lets the system choose
	HTTPPort int      // /healthz on 127.0.0.1; 0 lets the system choose
	StoreDir string   // folder for the streams; made when absent
	Topics   []string // one stream each, 1 to 64, of letters, digits, - and _

	TopicMaxBytes int64         // kept per topic, in bytes; at least 1 MiB
	TopicMaxAge   time.Duration // kept per topic; at least a minute
}

// Streams and subjects share the topic's name; dots, spaces and wildcards
// mean something in a NATS subject.
var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Validate reports everything that is wrong with c.
func (c Config) Validate() error {
	var errs []error
	for name, port := range map[string]int{"port": c.Port, "HTTP port": c.HTTPPort} {
		if port < 0 || port > maxPort {
			errs = append(errs, fmt.Errorf("%s %d is not between 0 and %d", name, port, maxPort))
		}
	}
	if c.StoreDir == "" {
		errs = append(errs, errors.New("the store folder is not given"))
	}
	if n := len(c.Topics); n == 0 || n > maxTopics {
		errs = append(errs, fmt.Errorf("%d topics given, want 1 to %d", n, maxTopics))
	}
	seen := make(map[string]bool, len(c.Topics))
	for _, topic := range c.Topics {
		if !topicName.MatchString(topic) || len(topic) > maxTopicNameLen {
			errs = append(errs, fmt.Errorf("topic %q: want up to %d letters, digits, - or _", topic, maxTopicNameLen))
		}
		if seen[topic] {
			errs = append(errs, fmt.Errorf("topic %q is given twice", topic))
		}
		seen[topic] = true
	}
	if c.TopicMaxBytes < minTopicMaxBytes {
		errs = append(errs, fmt.Errorf("%d bytes per topic is below %d", c.TopicMaxBytes, minTopicMaxBytes))
	}
	if c.TopicMaxAge < time.Minute {
		errs = append(errs, fmt.Errorf("an age of %s per topic is below a minute", c.TopicMaxAge))
	}
	return errors.Join(errs...)
}
