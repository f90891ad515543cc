package sandbox_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/k8s/cluster/sandbox"
)

// TestMain is also the program that the test runs in a container.
func TestMain(m *testing.M) {
	if os.Args[0] == "/program" {
		os.Exit(program())
	}
	os.Exit(sandbox.Main(m.Run))
}

// seen is what a program in a container finds.
type seen struct {
	User                   int
	Env                    []string
	Root                   []string // what is in the root folder
	WriteRoot, WriteVolume string   // what came of it; "" is good
}

// program says what it finds on port 80 of every address, and listens on a port of the pod's loopback besides.
func program() int {
	found := seen{User: os.Getuid(), Env: os.Environ()}
	entries, _ := os.ReadDir("/")
	for _, e := range entries {
		found.Root = append(found.Root, e.Name())
	}
	found.WriteRoot = said(os.WriteFile("/here", nil, 0o600))
	found.WriteVolume = said(os.WriteFile("/volume/here", nil, 0o600))
	inner, err := net.Listen("tcp", "127.0.0.1:81")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	go func() { _ = http.Serve(inner, http.NotFoundHandler()) }()
	err = http.ListenAndServe(":80", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(found) }))
	fmt.Println(err)
	return 1
}

func said(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

// TestContainer: a container has its own address, user, environment and files, and nothing else; its loopback is its own.
func TestContainer(t *testing.T) {
	pod, err := sandbox.NewPod(1, "10.88.7.1")
	require.NoError(t, err)
	defer pod.Close()
	dir := t.TempDir()
	volume := filepath.Join(dir, "volume")
	require.NoError(t, os.Mkdir(volume, 0o700))
	require.NoError(t, os.Chmod(volume, 0o777))
	self, err := os.Executable()
	require.NoError(t, err)
	c := sandbox.Container{
		Name: "one", Args: []string{"/program"}, Env: []string{"GREETING=hello"}, ReadOnlyRoot: true,
		Mounts: []sandbox.Mount{{From: self, To: "/program", ReadOnly: true}, {From: volume, To: "/volume"}},
	}
	if sandbox.ManyUsers() {
		c.User, c.Group = 4711, 4711
	}
	process, err := pod.Run(dir, c)
	require.NoError(t, err)

	var found seen
	require.Eventually(t, func() bool { return ask("http://10.88.7.1/", &found) == nil }, time.Minute, 50*time.Millisecond, "%s", process.Tail())
	assert.Equal(t, c.User, found.User)
	assert.Equal(t, c.Env, found.Env)
	assert.Subset(t, []string{"dev", "etc", "proc", "program", "volume", "lib", "lib64", "usr"}, found.Root)
	assert.Contains(t, found.WriteRoot, "read-only file system")
	assert.Empty(t, found.WriteVolume)
	assert.FileExists(t, filepath.Join(volume, "here"))

	_, err = net.DialTimeout("tcp", "10.88.7.1:81", time.Second)
	require.Error(t, err, "the pod's loopback is nobody else's")
	_, err = net.DialTimeout("tcp", "192.0.2.1:80", time.Second)
	require.ErrorContains(t, err, "network is unreachable")

	require.NoError(t, process.Ended())
	require.NoError(t, process.Stop(10*time.Second))
	require.Error(t, process.Ended())
}

// TestNoProgram: what cannot be started says so.
func TestNoProgram(t *testing.T) {
	pod, err := sandbox.NewPod(2, "10.88.7.2")
	require.NoError(t, err)
	defer pod.Close()
	process, err := pod.Run(t.TempDir(), sandbox.Container{Name: "none", Args: []string{"/none"}})
	require.NoError(t, err)
	text, err := process.Wait(t.Context())
	require.Error(t, err)
	assert.Contains(t, text, "container none: exec /none: no such file or directory")
}

func ask(url string, into any) error {
	res, err := http.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
