// Package image makes the one container image that every service is run from, without a container engine: a static program, the
// certificate authorities that Mozilla trusts, and a list of what the program is made of. Nothing else is in it: no shell, no base
// image, no user database. The same source, version and Go make the same image, to the byte.
//
// It is written as an OCI archive (a tar of an OCI image layout), which podman, skopeo and Docker 25 take, and may be pushed to a
// registry straight away.
package image
