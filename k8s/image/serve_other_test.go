//go:build !linux

package image

import "testing"

// serves does nothing: the programs of the image are for Linux.
func serves(t *testing.T, _, _ string) { t.Log("not run: the programs of the image are for Linux") }
