package cluster_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Where the account service's keys are: a Secret and its key.
const (
	keysSecret = "account-keys"
	keysKey    = "keys"
)

// newKeys makes a key set as docs/kubernetes.md says.
func (w *world) newKeys(t *testing.T) string { return w.sidecart(t, "", "keys", "new") }

// token makes an access token from the Secret that the pods have, as whoever may read it can.
func (w *world) token(t *testing.T, args ...string) string {
	secret, err := w.server.Client.CoreV1().Secrets(namespace).Get(t.Context(), keysSecret, metav1.GetOptions{})
	require.NoError(t, err)
	return strings.TrimSpace(w.sidecart(t, string(secret.Data[keysKey]), append([]string{"token", "--keys", "/dev/stdin"}, args...)...))
}

// sidecart runs the shop's program and answers what it printed; its complaints have no key in them.
func (w *world) sidecart(t *testing.T, input string, args ...string) string {
	cmd := exec.CommandContext(t.Context(), filepath.Join(w.bin, "sidecart"), args...)
	cmd.Stdin = strings.NewReader(input)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	require.NoError(t, err, "sidecart %s: %s", strings.Join(args, " "), &complaints)
	return string(out)
}
