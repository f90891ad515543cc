// Package servers runs private stores and brokers for component sets: a set that takes its server's address from the
// environment, when the environment names none, gets a server of its own from the programs on this machine.
//
// In: a component set's files (which variables do its components read?), a folder for data, free loopback ports. Out:
// for each server its processes (how to prepare, start, stop and ask them) and the variables that lead sidecars to it.
// Package run supervises the processes like any other of a stack; nothing is started here but short preparations.
//
// Every server listens on loopback alone, keeps its data below the shop's data folder, acknowledges a write only when it
// is on disk, and asks for a password that is made up once per data folder. Passwords are in files of mode 0600 and in
// the environment of sidecars, never in a command line or a log.
//
// A program that is missing is a MissingError, which says what to install and which variable names a server of one's own.
package servers
