// Command fakekafka stands in for Kafka: one broker that speaks its protocol, for the component set kafka where no real Kafka is. The
// protocol, groups and storage are those of kfake, which the Kafka client franz-go is tested with; its authors do not mean it for production.
//
// In: --port, --dir, --topics. It listens on 127.0.0.1 alone and asks for no login. Records, topics and the offsets of groups are
// on disk when a write is answered, and there again after a restart; of each partition it keeps 64 MiB and 6 hours, as the
// embedded broker does. It prints one line when it is ready and ends at SIGTERM or SIGINT; 1 is the exit code of what went wrong.
//
// It is in this module because it is a stand-in for tests: Dapr's runtime shall not be built with its dependencies.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// limits are Kafka's own names. Topics have one partition, so that what a journal's writer publishes stays in order.
var limits = map[string]string{
	"log.retention.bytes": "67108864",
	"log.retention.ms":    "21600000",
	"message.max.bytes":   "4194304",
}

// retainEvery is how often old records are dropped.
const retainEvery = time.Minute

type options struct {
	port   int
	dir    string
	topics []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse(args []string, said io.Writer) (options, error) {
	var o options
	var topics string
	f := flag.NewFlagSet("fakekafka", flag.ContinueOnError)
	f.SetOutput(said)
	f.IntVar(&o.port, "port", 9092, "port on 127.0.0.1, 0 for a free one")
	f.StringVar(&o.dir, "dir", ".data/kafka", "folder for topics and offsets")
	f.StringVar(&topics, "topics", "inventory,order,payment,notify,account", "topics of the beginning; others are made when they are first used")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("fakekafka: %q: no arguments, only flags (see --help)", f.Arg(0))
	case o.port < 0 || o.port > 65535:
		return o, fmt.Errorf("fakekafka: --port %d: want 0 to 65535", o.port)
	case o.dir == "":
		return o, errors.New("fakekafka: --dir is empty: want a folder")
	}
	for topic := range strings.SplitSeq(topics, ",") {
		if topic = strings.TrimSpace(topic); topic != "" {
			o.topics = append(o.topics, topic)
		}
	}
	return o, nil
}

// run serves until ctx ends.
func run(ctx context.Context, o options, out io.Writer) error {
	const partitions = 1
	cluster, err := kfake.NewCluster(
		kfake.Ports(o.port), kfake.DataDir(o.dir), kfake.SyncWrites(), kfake.BrokerConfigs(limits),
		kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(partitions), kfake.SeedTopics(partitions, o.topics...),
		kfake.WithLogger(kfake.BasicLogger(out, kfake.LogLevelWarn)),
	)
	if err != nil {
		return fmt.Errorf("fakekafka: %w", err)
	}
	defer cluster.Close()
	fmt.Fprintf(out, "fakekafka ready kafka://%s, topics %s\n", strings.Join(cluster.ListenAddrs(), ","), strings.Join(o.topics, ","))
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			cluster.ApplyRetention()
		case <-ctx.Done():
			return nil
		}
	}
}
