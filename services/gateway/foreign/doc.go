// Package foreign opens services that are none of ours and speak gRPC: those of the section `services` in gateway.yaml.
//
// In: for each its contract, an OpenAPI document like those that our services tell, and the descriptors of its .proto files, both as
// files beside the gateway. Out: contracts whose operations are reached through bridge.Transport and the sidecar. Everything that
// holds for an operation of a contract holds for them: roles, bounds, limits, screens, releases by app id.
//
// What is wrong is a fault with its place in gateway.yaml, and nothing is opened. Only what the contract names is open: methods
// beside it, streams among them, cannot be reached.
package foreign
