// Package bridge joins gRPC and JSON over HTTP. The .proto files say by google.api.http which operation of a contract a
// method is; that alone decides how one becomes the other, in both directions:
//
//   - Server takes gRPC calls and hands each as a request in JSON to the gateway's own handler. So a call passes the very
//     pipeline that requests do: identity, limits, validation, routing. There is no second door.
//   - Transport is an http.RoundTripper that takes requests in JSON and calls a service that speaks gRPC. Behind it such a service
//     is like any other with a contract.
//
// JSON here is the contracts': names as in the .proto file, 64-bit integers as numbers, enums as the lower-case names of
// their values without the enum's own name in front, times in RFC 3339. (protobuf's own JSON writes 64-bit integers as strings.)
//
// A field without `optional` is a required property and is always written; one with it, or a message, is left out when it
// is not set. Members that a .proto file does not know are passed over in answers, so that a service may say more than
// callers know.
//
// Failures: a problem document becomes a status whose details are google.rpc.ErrorInfo (reason = the code in capitals,
// domain "sidecart"), BadRequest with the fields, and RetryInfo; and back. docs/grpc.md has the table.
package bridge
