// Package mail is Dapr's bindings.smtp with a mailer of our own: the same
// component type, metadata and answers, so that a component file works with a
// released daprd and with this one alike.
//
// What is different, and why (contrib v1.18.3 with gomail.v2; docs/adr/0016-mail.md):
//   - Each mail has only its own recipients and subject. contrib writes them
//     into state that all requests share: two mails at the same moment can swap
//     recipients, and a copy asked for once goes out with every later mail.
//   - Connections are kept and used again (pool.go). contrib opens one a mail.
//   - Invoke ends with its context. contrib goes on, and begins again without
//     an end when a server closes its connections after the greeting.
//   - Request metadata `header.NAME` sets a header of the mail (letter.go);
//     contrib ignores it, so a sender may always give it.
//
// With a released daprd: send one mail at a time through each sidecar, give
// recipient and subject with each, and never a copy.
//
// In: the metadata and requests of bindings.smtp. Out: its answer, nothing,
// once the server has taken the mail for all its recipients. Failure: what the
// server said or what became of the connection; nobody has the mail then, unless
// the connection broke or the context ended after its text was sent: that is not
// known. A mail is never sent twice by one Invoke.
package mail
