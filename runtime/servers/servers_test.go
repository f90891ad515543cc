package servers

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func nothing(string) string { return "" }

func names(list []Server) (out []string) {
	for _, s := range list {
		out = append(out, s.Name)
	}
	return out
}

// The sets of the repository: each is given the servers whose addresses it takes from the environment, and no others.
func TestNeededByTheShippedSets(t *testing.T) {
	for set, want := range map[string][]string{
		"embedded": nil, "redis": {"redis"}, "postgres": {"postgres", "rabbitmq"}, "mysql": {"mariadb", "mosquitto"},
		"kafka": {"postgres", "kafka"},
	} {
		read, err := ReadSet(filepath.Join("..", "..", "components", set))
		require.NoError(t, err)
		assert.Equal(t, want, names(Needed(read, nothing)), set)
		assert.Equal(t, set == "embedded", read.Has("pubsub.jetstream"), set)
		own := Needed(read, func(name string) string {
			if name == "SIDECART_POSTGRES_DSN" {
				return "host=db.example.com"
			}
			return ""
		})
		assert.NotContains(t, names(own), "postgres", "somebody's own is named")
	}
}

func TestReadSet(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("a.yaml", `kind: Component
metadata: {name: vault}
spec: {type: secretstores.local.env, metadata: [{name: prefix, value: MY_}]}
---
kind: Component
metadata: {name: state}
auth: {secretStore: vault}
spec: {type: state.redis, metadata: [{name: redisHost, secretKeyRef: {name: HOST, key: HOST}}, {name: x, value: 7}]}
`)
	write("b.yml", "kind: Component\nmetadata: {name: pubsub}\nauth: {secretStore: elsewhere}\nspec: {type: pubsub.redis, metadata: [{name: y, secretKeyRef: {name: OTHER}}]}\n")
	write("c.yaml", "kind: Resiliency\nspec: {targets: {}}\n")
	write("d.txt", "no: [yaml")
	set, err := ReadSet(dir)
	require.NoError(t, err)
	assert.True(t, set.reads("MY_HOST"))
	assert.False(t, set.reads("MY_OTHER"), "its secrets are not the environment's")
	assert.True(t, set.Has("pubsub.redis"))
	assert.False(t, set.Has("pubsub.jetstream"))

	write("e.yaml", "a: [b")
	_, err = ReadSet(dir)
	require.ErrorContains(t, err, "e.yaml")
	_, err = ReadSet(filepath.Join(dir, "none"))
	require.Error(t, err)
}

func TestMissingProgramSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	s := Server{Name: "x", Variable: "SIDECART_X_HOST", programs: []program{{name: "xd", pkg: "x-server"}}}
	_, err := s.programs[0].find(s, "")
	var missing *MissingError
	require.True(t, errors.As(err, &missing))
	for _, word := range []string{"xd", "apt-get install x-server", "SIDECART_X_HOST"} {
		assert.ErrorContains(t, err, word)
	}
	own := program{name: "fakekafka"}
	_, err = own.find(kafka, t.TempDir())
	assert.ErrorContains(t, err, "scripts/up --build")
	assert.Empty(t, s.Version(""))
}

func TestSecretIsMadeOnce(t *testing.T) {
	p := &place{dir: t.TempDir()}
	first, err := p.secret("password")
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(first), 26)
	again, err := p.secret("password")
	require.NoError(t, err)
	assert.Equal(t, first, again)
	info, err := os.Stat(p.file("password"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	other, err := (&place{dir: t.TempDir()}).secret("password")
	require.NoError(t, err)
	assert.NotEqual(t, first, other)
}

func TestShellReadsTheEnvironmentFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	require.NoError(t, WriteEnv(path, map[string]string{"A": `it's "$HOME"`, "B": "x y"}))
	out, err := exec.Command("sh", "-c", `. "$1"; printf '%s|%s' "$A" "$B"`, "sh", path).Output()
	require.NoError(t, err)
	assert.Equal(t, `it's "$HOME"|x y`, string(out))
}

// What a server is not, or not yet, is no answer that counts.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		judge     func(*bufio.Reader) error
		good, bad string
		says      string
	}{
		"redis":    {lines("+OK", "+PONG"), "+OK\r\n+PONG\r\n", "+OK\r\n-LOADING Redis is loading\r\n", "LOADING"},
		"postgres": {postgresAnswer, "R\x00\x00\x00\x17", "E\x00\x00\x00\x2aSFATAL\x00Mthe database system is starting up\x00\x00", "starting up"},
		"http":     {postgresAnswer, "R", "HTTP/1.1 400", "not PostgreSQL"},
		"mariadb":  {mysqlGreeting, "\x5d\x00\x00\x00\x0a5.5.5", "\x10\x00\x00\x00\xffToo many", "no greeting"},
		"rabbitmq": {amqpAnswer, "\x01\x00\x00\x00\x00\x01\xee\x00\x0a\x00\x0a", "AMQP\x00\x00\x09\x01...", "not AMQP"},
		"mqtt":     {mqttAnswer, "\x20\x02\x00\x00", "\x20\x02\x00\x05", "no CONNACK"},
		"kafka":    {kafkaAnswer, "\x00\x00\x00\x20\x00\x00\x00\x01\x00\x00", "\x00\x00\x00\x20\x00\x00\x00\x01\x00\x23", "not Kafka"},
	} {
		ask := func(text string) error { return c.judge(bufio.NewReader(strings.NewReader(text))) }
		assert.NoError(t, ask(c.good), name)
		assert.ErrorContains(t, ask(c.bad), c.says, name)
		assert.Error(t, ask(""), name)
	}
}

func TestClosedFolders(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "a", "b")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for path := root; path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
		require.NoError(t, os.Chmod(path, 0o755))
	}
	stranger := &User{uid: 54321, gid: 54321}
	assert.Empty(t, stranger.closed(dir))
	require.NoError(t, os.Chmod(filepath.Join(root, "a"), 0o750))
	assert.Equal(t, filepath.Join(root, "a"), stranger.closed(dir))
	assert.Empty(t, (&User{uid: uint32(os.Getuid()), gid: 54321}).closed(dir))
	assert.Empty(t, (&User{uid: 54321, gid: uint32(os.Getgid())}).closed(dir))
}

func TestOnceLeavesNothingHalfMade(t *testing.T) {
	p := &place{dir: t.TempDir()}
	broken := errors.New("broken")
	fill := func(err error) error {
		return p.once(t.Context(), "data", func(_ context.Context, dir string) error {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), nil, 0o600))
			return err
		})
	}
	require.ErrorIs(t, fill(broken), broken)
	_, err := os.Stat(p.file("data"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, fill(nil))
	require.NoError(t, fill(broken), "it is there and not made again")
}
