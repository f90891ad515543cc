// Package fallback is what the gateway does when a service does not answer: it stops asking for a while (a circuit breaker
// for each route), and answers in the service's place where gateway.yaml says with what.
//
// In: routes.*.breaker and routes.*.fallback of gateway.yaml; what became of each request to a service. Out: whether to ask, and an
// answer of the same shape as the service's own, marked by the header Sidecart-Fallback: the last good answer to the same request of
// the same caller, with its Age, or else a fixed one. Only what changes nothing (GET) has a fallback: nobody is told that a
// change was made which was not. A fixed answer is checked against the operation's contract when the rules are read.
//
// Dapr could hold such a breaker for calls between apps, too, but not one that is of use here: it counts every answer above 399 as
// a failure, so that 20 "sold out" would close a shop, and keeps one for each path, so for each order id
// (dapr-config/resiliency.yaml). Those for what stands outside, the payment provider, mail and SMS, are Dapr's.
//
// Memory is bounded: Deps.MaxKeptBytes for all answers together, of which the one not used for longest goes first; none above
// maxAnswerBytes is kept. What is kept is lost with the process.
package fallback
