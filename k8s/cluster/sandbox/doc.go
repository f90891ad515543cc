// Package sandbox runs programs the way a node of a cluster would, on one Linux machine and without a container engine.
//
// Main moves the calling program into namespaces of its own: a network that nobody outside can reach and that reaches nobody outside, a
// process table whose members the kernel kills when the first of them ends, and a table of mounts that goes with them. Inside, a
// Pod is one more network with an address on a common bridge, and a Container is a program in a Pod with a root folder that
// holds that program, its volumes and nothing else.
//
// It needs CAP_SYS_ADMIN, or a kernel that lets everybody make user namespaces; sandbox/probe tells whether it has them. In the latter case every program runs as the one user
// there is; as root a Container runs as the user it asks for.
package sandbox
