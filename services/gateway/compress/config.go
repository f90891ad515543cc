package compress

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/sidecart/sidecart/services/kit/fault"
)

// Config is the section `compression` of gateway.yaml. Zero fields take the defaults that are named.
type Config struct {
	Off      bool     `yaml:"off"`       // nothing is compressed
	MinBytes int      `yaml:"min_bytes"` // answers below it are not; 1024, from 256 to 1 MiB
	Codings  []string `yaml:"codings"`   // by preference, where the caller has none; zstd, br, gzip
	Encoders int      `yaml:"encoders"`  // of each coding at once; twice the processors, from 1 to 256
}

// Bounds of Config.
const (
	leastMinBytes, mostMinBytes = 256, 1 << 20
	mostEncoders                = 256
)

// preference is the order of codings that costs the least for what it saves: see BenchmarkLevels.
var preference = []string{"zstd", "br", "gzip"}

func (c Config) withDefaults() Config {
	if c.MinBytes == 0 {
		c.MinBytes = 1024
	}
	if c.Codings == nil {
		c.Codings = preference
	}
	if c.Encoders == 0 {
		c.Encoders = min(2*runtime.GOMAXPROCS(0), mostEncoders)
	}
	return c
}

// Check names everything that is wrong.
func (c Config) Check() []fault.Fault {
	c = c.withDefaults()
	var bad []fault.Fault
	if c.MinBytes < leastMinBytes || c.MinBytes > mostMinBytes {
		bad = append(bad, fault.Fault{Place: fault.At("min_bytes"), Message: fmt.Sprintf("must be from %d to %d", leastMinBytes, mostMinBytes)})
	}
	if c.Encoders < 1 || c.Encoders > mostEncoders {
		bad = append(bad, fault.Fault{Place: fault.At("encoders"), Message: fmt.Sprintf("must be from 1 to %d", mostEncoders)})
	}
	if len(c.Codings) == 0 {
		bad = append(bad, fault.Fault{Place: fault.At("codings"), Message: "is empty; `off: true` says that nothing is compressed"})
	}
	for i, name := range c.Codings {
		switch {
		case !slices.Contains(preference, name):
			bad = append(bad, fault.Fault{Place: fault.At("codings", i), Message: fmt.Sprintf("%q is none of %s", name, strings.Join(preference, ", "))})
		case slices.Contains(c.Codings[:i], name):
			bad = append(bad, fault.Fault{Place: fault.At("codings", i), Message: fmt.Sprintf("%s is there twice", name)})
		}
	}
	return bad
}
