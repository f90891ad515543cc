// Package mail is Dapr's bindings.smtp with one mailer per message.
//
// contrib's mailer (v1.18.3, mergeWithRequestMetadata) writes a request's
// recipient and subject into the component's own metadata, which all requests
// share: two messages at the same moment can swap recipients, and a copy asked
// for once goes out with every later message. A mailer of its own for each
// message takes that away and changes nothing else.
//
// With a released daprd: send one message at a time through each sidecar, give
// recipient and subject with each, and never a copy.
//
// In: the metadata and requests of bindings.smtp. Out: its answers. Failure:
// its errors, as they are. Like it, Invoke does not end with its context once
// the mail server has accepted the connection.
package mail
