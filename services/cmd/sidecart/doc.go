// Command sidecart is the one binary of the product. `sidecart serve` runs any set of its services as one Dapr app;
// `sidecart sandbox` runs stand-ins for the outside world. The other commands are for people: what they find is on standard
// output, progress on standard error, both through console.go.
//
// Configuration of serve comes from the environment, from one table (config.go) that --help prints; a flag wins over its
// variable. Everything that is wrong with it is said at once. Exit codes: 0 after an orderly stop, 1 when something
// failed or what was asked about is not well, 2 when the command line or the configuration is wrong.
package main
