package components

// A broker only tells followers that there is news; what it loses, they pull from the journals. So an unfit broker costs
// time and not orders. It is refused all the same where it would never deliver, and its settings are checked, because two
// seconds of delay for every message is not what anybody chose.

// unfitBrokers never deliver between apps, not to all of them, or not what was published. Read in components-contrib v1.18.3.
var unfitBrokers = map[string]string{
	"pubsub.in-memory":               "no message leaves its own sidecar: followers would hear of nothing and only ever pull; take pubsub.redis or pubsub.jetstream",
	"pubsub.azure.servicebus.queues": "apps that follow the same service would take each other's messages; take pubsub.azure.servicebus.topics",
	"pubsub.rocketmq":                "it puts each event into a second envelope (buildPubsubMessage), in which nobody can read it; take pubsub.rabbitmq or pubsub.kafka",
}

const identity = "{appID}"

// What the rules below have in common.
const (
	outOfOrder = "messages that come out of order look like gaps, and are pulled"
	copies     = "an app's replicas must share messages, and apps must not"
	fromStart  = "what was published before an app's first start is passed over"
	notKept    = "messages are gone when the broker starts again"
)

// pubsubRules hold for every broker.
var pubsubRules = []rule{
	{field: "consumerID", byDefault: identity, ok: []string{identity}, severity: Warning, why: copies},
	{field: "consumerGroup", byDefault: identity, ok: []string{identity}, severity: Warning, why: copies},
}

// brokerRules are a type's own.
var brokerRules = map[string][]rule{
	"pubsub.jetstream": {
		{field: "durableName", byDefault: "none", ok: []string{identity}, severity: Error,
			why: "without a durable name of its own an app is sent the whole stream after every start"},
		{field: "queueGroupName", byDefault: "none", ok: []string{identity}, severity: Error, why: "without a queue group each replica gets every message"},
		{field: "concurrency", byDefault: "single", ok: []string{"single"}, severity: Warning, why: outOfOrder},
		{field: "ackPolicy", byDefault: "explicit", ok: []string{"explicit"}, severity: Warning, why: "messages count as delivered that were not"},
	},
	"pubsub.redis": {
		{field: "concurrency", byDefault: "10", ok: []string{"1"}, severity: Warning, why: outOfOrder},
		{field: "maxLenApprox", bad: []string{"", "0"}, severity: Warning, why: "a stream without a bound grows until Redis has no memory for the state; want about 2000"},
		{field: "processingTimeout", byDefault: "60s", bad: []string{"0", "0s"}, severity: Warning, why: "what a dead sidecar had in hand is never delivered"},
		{field: "redeliverInterval", byDefault: "15s", bad: []string{"0", "0s"}, severity: Warning, why: "what a dead sidecar had in hand is never delivered"},
	},
	"pubsub.rabbitmq": {
		{field: "deletedWhenUnused", byDefault: "true", ok: []string{"false"}, severity: Error,
			why: "an app's queue and what waits in it are deleted when its last sidecar goes away"},
		{field: "durable", byDefault: "true", ok: []string{"true"}, severity: Error, why: "queues are gone when the broker starts again"},
		{field: "autoAck", byDefault: "false", ok: []string{"false"}, severity: Error, why: "messages are acknowledged before the app has them"},
		{field: "deliveryMode", byDefault: "0", ok: []string{"2"}, severity: Warning, why: notKept},
		{field: "publisherConfirm", byDefault: "false", ok: []string{"true"}, severity: Warning, why: "a publish is answered before the broker has it"},
		{field: "concurrencyMode", byDefault: "parallel", ok: []string{"single"}, severity: Warning, why: outOfOrder},
		{field: "concurrency", ok: []string{""}, severity: Warning, why: "Dapr lists it and the component does not read it; it reads concurrencyMode"},
	},
	"pubsub.kafka": {
		{field: "initialOffset", byDefault: "newest", ok: []string{"oldest"}, severity: Warning, why: fromStart},
		{field: "producerRequiredAcks", byDefault: "all", ok: []string{"all"}, severity: Warning, why: "a broker's failover loses what was answered"},
	},
	"pubsub.mqtt3": {
		{field: "qos", byDefault: "1", ok: []string{"1", "2"}, severity: Warning, why: "messages are delivered at most once"},
		{field: "cleanSession", byDefault: "false", ok: []string{"false"}, severity: Warning, why: "what comes while an app is away is not kept for it"},
		{field: "retain", byDefault: "false", ok: []string{"false"}, severity: Warning, why: "each start would be given an old message"},
	},
	"pubsub.aws.snssqs": {
		{field: "concurrencyMode", byDefault: "parallel", ok: []string{"single"}, severity: Warning, why: outOfOrder},
	},
	"pubsub.azure.servicebus.topics": {
		{field: "autoDeleteOnIdleInSec", byDefault: "0", ok: []string{"0"}, severity: Error,
			why: "an app's subscription and what waits in it are deleted when it has been away for a while"},
		{field: "maxConcurrentHandlers", byDefault: "0", ok: []string{"1"}, severity: Warning, why: outOfOrder},
	},
	"pubsub.gcp.pubsub": {
		{field: "enableMessageOrdering", byDefault: "false", ok: []string{"true"}, severity: Warning, why: outOfOrder},
		{field: "orderingKey", bad: []string{""}, severity: Warning, why: "without a key nothing is ordered; any word will do"},
	},
	"pubsub.pulsar": {
		{field: "persistent", byDefault: "true", ok: []string{"true"}, severity: Warning, why: notKept},
		{field: "subscribeMode", byDefault: "durable", ok: []string{"durable"}, severity: Warning, why: "what comes while an app is away is not kept for it"},
		{field: "subscribeInitialPosition", byDefault: "latest", ok: []string{"earliest"}, severity: Warning, why: fromStart},
		{field: "processMode", byDefault: "async", ok: []string{"sync"}, severity: Warning, why: outOfOrder},
	},
}
