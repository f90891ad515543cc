package components

// A broker only tells followers that there is news; what it loses, they pull from the journals. So an unfit broker costs
// time and not orders. It is refused all the same where it would never deliver, and its settings are checked, because two
// seconds of delay for every message is not what anybody chose.

// unfitBrokers never deliver between apps, or not to all of them.
var unfitBrokers = map[string]string{
	"pubsub.in-memory":               "no message leaves its own sidecar: followers would hear of nothing and only ever pull",
	"pubsub.azure.servicebus.queues": "apps that follow the same service would take each other's messages; take pubsub.azure.servicebus.topics",
}

const identity = "{appID}"

// pubsubRules hold for every broker.
var pubsubRules = []rule{
	{"consumerID", identity, []string{identity}, Warning, "an app's replicas must share messages and apps must not"},
}

// brokerRules are a type's own.
var brokerRules = map[string][]rule{
	"pubsub.jetstream": {
		{"durableName", "none", []string{identity}, Error, "without a durable name of its own an app is sent the whole stream after every start"},
		{"queueGroupName", "none", []string{identity}, Error, "without a queue group each replica gets every message"},
	},
	"pubsub.rabbitmq": {
		{"deletedWhenUnused", "true", []string{"false"}, Error, "an app's queue and what waits in it are deleted when its last sidecar goes away"},
		{"durable", "true", []string{"true"}, Error, "queues are gone when the broker starts again"},
		{"deliveryMode", "0", []string{"2"}, Warning, "messages are gone when the broker starts again"},
		{"publisherConfirm", "false", []string{"true"}, Warning, "a publish is answered before the broker has it"},
		{"autoAck", "false", []string{"false"}, Error, "messages are acknowledged before the app has them"},
	},
}

// storeRules are a store type's own.
var storeRules = map[string][]rule{
	"state.mongodb": {
		{"writeConcern", "1", []string{"majority"}, Error, "a failover would take back acknowledged commits"},
		{"readConcern", "local", []string{"majority", "linearizable"}, Error, "a read could see what a failover takes back"},
	},
}

// checkBroker judges the component named pubsub.
func (c *checker) checkBroker(spec Spec) {
	if why, unfit := unfitBrokers[spec.Type]; unfit {
		c.errorf(c.component.lines.kind, "spec.type", "%s does not do: %s", c.component.Type, why)
	}
}
