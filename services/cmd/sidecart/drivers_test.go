package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// drivers are parts of import paths of clients for stores and brokers. Talking to those is the sidecar's work.
var drivers = []string{
	"go-redis", "redigo", "rueidis", "jackc/pgx", "lib/pq", "go-sql-driver", "sqlite", "/nats.go", "nats-server", "amqp091", "streadway/amqp",
	"sarama", "franz-go", "kafka", "paho.mqtt", "mongo-driver", "gocql", "gorm.io", "jmoiron/sqlx", "aws-sdk-go", "azure-sdk-for-go",
	"cloud.google.com/go", "etcd", "bbolt", "badger", "leveldb", "pebble", "memcache", "components-contrib",
}

func named(line string) string {
	for _, d := range drivers {
		if strings.Contains(line, d) {
			return d
		}
	}
	return ""
}

func TestNoStoreOrBrokerDriverInTheModule(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	for line := range strings.Lines(string(mod)) {
		line, _, _ = strings.Cut(line, "//")
		assert.Empty(t, named(line), "services/go.mod names a driver: %s", line)
	}
}

func TestNoStoreOrBrokerDriverInTheBinary(t *testing.T) {
	list := exec.Command("go", "list", "-deps", ".")
	list.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	out, err := list.Output()
	require.NoError(t, err)
	packages := strings.Fields(string(out))
	require.Contains(t, packages, "github.com/sidecart/sidecart/services/kit/sidecar", "the list is that of this binary")
	for _, p := range packages {
		if !strings.HasPrefix(p, "github.com/sidecart/") {
			assert.Empty(t, named(p), "the binary links a driver: %s", p)
		}
	}
}
