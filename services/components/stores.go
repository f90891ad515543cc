package components

import (
	"fmt"
	"slices"
)

// Store is what is known of a state store type: whether sidecart is safe on it.
type Store struct {
	Type     string   // without aliases
	Versions []string // none: all of them
	// Safe: it creates a key only if it does not exist, for whoever races; it reads back what was written, from any
	// sidecar; and it takes our keys, which have slashes in them.
	Safe bool
	// Known is how that is known: run (through a real sidecar) or read (in the component's source, components-contrib
	// v1.18.3, in the function that is named).
	Known string
	Why   string // of an unsafe one: what happens; of a safe one: what to mind, or nothing
}

const usePostgres = "take state.postgresql"

// stores is every store of the catalog. A row may say "run" only when a conformance run through a real daprd has passed.
var stores = []Store{
	{Type: "state.sqlite", Safe: true, Known: "run"},
	{Type: "state.postgresql", Versions: []string{"v2"}, Safe: true, Known: "run"},
	{Type: "state.postgresql", Versions: []string{"v1"}, Safe: true, Known: "read: the query that NewPostgreSQLStateStore gives",
		Why: "take v2 for a new shop: another table layout, and the one that our daprd has"},
	{Type: "state.redis", Safe: true, Known: "run",
		Why: "safe while journal keys are only ever written first-write, as sidecart does, and while the server keeps what it answered (appendfsync always, noeviction)"},
	{Type: "state.mysql", Safe: true, Known: "run",
		Why: "the database needs a binary collation, or keys that differ in case are one"},
	{Type: "state.cockroachdb", Safe: true, Known: "read: New; v2 is the PostgreSQL component"},
	{Type: "state.aws.dynamodb", Safe: true, Known: "read: createPutData asks for attribute_not_exists",
		Why: "bulk reads are eventually consistent, so what they miss is read again; items end at 400 KB"},
	{Type: "state.mongodb", Safe: true, Known: "read: setInternal upserts by an ETag that nobody has, and the id is unique",
		Why: "safe with writeConcern majority, readConcern majority and reads from the primary"},
	{Type: "state.oracledatabase", Safe: true, Known: "read: doSet inserts, and the key is the primary key"},
	{Type: "state.azure.blobstorage", Safe: true, Known: "read: writeFile asks for If-None-Match: *", Why: "slow: a commit is an upload"},

	{Type: "state.in-memory", Known: "read: Init", Why: "each sidecar has one of its own, and it is gone when the sidecar is"},
	{Type: "state.gcp.firestore", Known: "read: Set", Why: "it writes over what is there, whatever is asked: two commits could take one number"},
	{Type: "state.azure.cosmosdb", Known: "read: Set, Get; and in Microsoft's reference of Resource.Id",
		Why: "our keys have slashes, which an id must not have: Cosmos DB takes such a document and cannot read it back; and its strongest read through Dapr is a session's, which need not see another sidecar's commit"},
	{Type: "state.azure.tablestorage", Known: "read: getPartitionAndRowKey", Why: "our keys have slashes, which a table's keys must not have"},
	{Type: "state.sqlserver", Known: "read: ensureUpsertStoredProcedureExists, v1 and v2",
		Why: "of two that create one key at the same time, the second is caught and written over the first"},
	{Type: "state.etcd", Known: "read: Set, doValidateEtag", Why: "it looks and then writes, in two steps: two that create one key at the same time both succeed"},
	{Type: "state.ravendb", Known: "read: setInternal", Why: "it looks and then writes, in two steps: two that create one key at the same time both succeed"},
	{Type: "state.aerospike", Known: "read: Set", Why: overwrites},
	{Type: "state.alicloud.tablestore", Known: "read: updateRowChange", Why: overwrites},
	{Type: "state.cassandra", Known: "read: Set", Why: overwrites},
	{Type: "state.cloudflare.workerskv", Known: "read: Set", Why: overwrites},
	{Type: "state.coherence", Known: "read: Set", Why: overwrites},
	{Type: "state.couchbase", Known: "read: Set", Why: overwrites},
	{Type: "state.hashicorp.consul", Known: "read: Set", Why: overwrites},
	{Type: "state.hazelcast", Known: "read: Set", Why: overwrites},
	{Type: "state.jetstream", Known: "read: Set", Why: overwrites},
	{Type: "state.memcached", Known: "read: Set", Why: overwrites},
	{Type: "state.rethinkdb", Known: "read: BulkSet", Why: overwrites},
	{Type: "state.zookeeper", Known: "read: Set, parseETag", Why: overwrites},
	{Type: "state.oci.objectstorage", Known: "read: writeDocument", Why: "it refuses every create-only write: it wants an ETag"},
}

const overwrites = "it writes over what is there, whatever is asked: two commits could take one number, and one of them is lost"

// StoreOf returns what is known of a state store, by its type as a file says it.
func StoreOf(kind, version string) (Store, bool) {
	if spec, ok := DaprCatalog().Find(kind, version); ok {
		kind = spec.Type
	}
	i := slices.IndexFunc(stores, func(s Store) bool {
		return s.Type == kind && (len(s.Versions) == 0 || slices.Contains(s.Versions, version))
	})
	if i < 0 {
		return Store{}, false
	}
	return stores[i], true
}

// unfitStore says why sidecart is not safe on the store of the component named state, or nothing.
func (c *checker) unfitStore() string {
	store, known := StoreOf(c.component.Type, c.component.Version)
	switch {
	case !known:
		c.warnf(c.component.lines.kind, "spec.type",
			"nobody has looked whether %s creates a key only if it does not exist: run `sidecart components test` on it first", c.component.Type)
	case !store.Safe:
		return fmt.Sprintf("sidecart is not safe on %s: %s; %s", c.component.Type, store.Why, usePostgres)
	}
	return ""
}
