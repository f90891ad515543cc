package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// childDir makes this test binary be a sandbox on the folder it names.
const childDir = "SANDBOX_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		s, err := New(Config{Dir: dir})
		if err != nil {
			panic(err)
		}
		go func() {
			<-s.Ready()
			web, _ := s.Addresses()
			fmt.Println("ready", web)
		}()
		panic(s.Run(context.Background())) // it is killed, or failed
	}
	os.Exit(m.Run())
}

// TestKilledLedgerKeepsWhatItAnswered kills the process with SIGKILL in the middle of many charges, again and again.
func TestKilledLedgerKeepsWhatItAnswered(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir := t.TempDir()
	answered := map[string]string{} // key → id
	for round := range 5 {
		base, kill := child(t, dir)
		r := &running{t: t, base: base}
		for key, id := range answered {
			require.Equal(t, id, r.post("/charges", key, charge).body["id"], "round %d", round)
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				key := fmt.Sprintf("%d:%d", round, i)
				a := r.post("/charges", key, charge)
				mu.Lock()
				defer mu.Unlock()
				if a.status == http.StatusCreated {
					answered[key] = a.body["id"].(string)
				}
				if len(answered) >= 10*(round+1) {
					kill()
				}
			})
		}
		wg.Wait()
		kill()
	}
	require.NotEmpty(t, answered)
}

// child starts a sandbox process; kill ends it with SIGKILL and waits for it.
func child(t *testing.T, dir string) (base string, kill func()) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return "http://" + strings.TrimPrefix(strings.TrimSpace(line), "ready "), kill
}
