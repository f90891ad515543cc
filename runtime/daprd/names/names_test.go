package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dapr/components-contrib/nameresolution"
	contrib "github.com/dapr/components-contrib/nameresolution/sqlite"
	"github.com/dapr/kit/logger"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func metadataFor(file string, n int) nameresolution.Metadata {
	return nameresolution.Metadata{
		Instance:      nameresolution.Instance{AppID: fmt.Sprint("app-", n), Address: "127.0.0.1", DaprInternalPort: 4000 + n},
		Configuration: map[string]string{"connectionString": file, "cleanupInterval": "0s"},
	}
}

// TestManyOpenOneNewFile: whoever comes at the same moment as others is entered, and found.
func TestManyOpenOneNewFile(t *testing.T) {
	const rounds, sidecars = 10, 8
	for range rounds {
		file := filepath.Join(t.TempDir(), "names.db")
		var (
			together  sync.WaitGroup
			start     = make(chan struct{})
			resolvers [sidecars]*resolver
			errs      [sidecars]error
		)
		for i := range sidecars {
			resolvers[i] = New(Life{})(logger.NewLogger("test")).(*resolver)
			together.Go(func() {
				<-start
				errs[i] = resolvers[i].init(t.Context(), metadataFor(file, i))
			})
		}
		close(start)
		together.Wait()
		require.NoError(t, errors.Join(errs[:]...))
		for i := range sidecars {
			address, err := resolvers[0].ResolveID(t.Context(), nameresolution.ResolveRequest{ID: fmt.Sprint("app-", i)})
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf("127.0.0.1:%d", 4000+i), address)
		}
		for _, r := range resolvers {
			require.NoError(t, r.Close())
		}
	}
}

// locked refuses as often as it is told to.
type locked struct {
	nameresolution.Resolver
	times *int
	err   error
}

func (l locked) Init(context.Context, nameresolution.Metadata) error {
	if *l.times--; *l.times >= 0 {
		return l.err
	}
	return nil
}

func (l locked) Close() error { return nil }

func TestOnlyALockedFileIsTriedAgain(t *testing.T) {
	busy := errors.New("failed to perform migrations: failed to get a connection from the pool: database is locked (5) (SQLITE_BUSY)")
	for _, c := range []struct {
		err   error
		times int
		fails bool
	}{{busy, 3, false}, {errors.New("unable to open database file"), 1, true}} {
		made := 0
		r := newResolver(logger.NewLogger("test"), Life{}, func() nameresolution.Resolver {
			made++
			return locked{times: &c.times, err: c.err}
		})
		err := r.init(t.Context(), nameresolution.Metadata{})
		assert.Equal(t, c.fails, err != nil, c.err)
		if c.fails {
			assert.Equal(t, 1, made)
		} else {
			assert.Equal(t, 4, made, "one component for each attempt")
		}
	}
}

// TestAnEndingSidecarIsNotFound: whoever is told to end is found no more, and still finds the others.
func TestAnEndingSidecarIsNotFound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "names.db")
	leave := make(chan struct{})
	going := New(Life{Ending: leave})(logger.NewLogger("test"))
	require.NoError(t, going.Init(t.Context(), metadataFor(file, 1)))
	stays := New(Life{})(logger.NewLogger("test"))
	require.NoError(t, stays.Init(t.Context(), metadataFor(file, 2)))
	found := func(by nameresolution.Resolver, app string) string {
		address, err := by.ResolveID(t.Context(), nameresolution.ResolveRequest{ID: app})
		if err != nil {
			require.ErrorIs(t, err, contrib.ErrNoHost)
		}
		return address
	}
	require.Equal(t, "127.0.0.1:4001", found(stays, "app-1"))
	close(leave)
	require.Eventually(t, func() bool { return found(stays, "app-1") == "" }, 10*time.Second, time.Millisecond)
	assert.Equal(t, "127.0.0.1:4002", found(going, "app-2"), "it still finds others")

	// The place that it leaves can be taken before it has ended.
	next := New(Life{})(logger.NewLogger("test"))
	meta := metadataFor(file, 1)
	meta.Instance.DaprInternalPort = 4003
	require.NoError(t, next.Init(t.Context(), meta))
	assert.Equal(t, "127.0.0.1:4003", found(stays, "app-1"))
	require.NoError(t, going.Close())
	assert.Equal(t, "127.0.0.1:4003", found(stays, "app-1"))
	require.NoError(t, errors.Join(next.Close(), stays.Close()))
}

// TestANameWaitsForItsApp: with a path to ask, nobody is sent to a sidecar whose app is not ready.
func TestANameWaitsForItsApp(t *testing.T) {
	const token = "app-token"
	var ready atomic.Bool
	asked := make(chan struct{}, 1)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/readyz", r.URL.Path)
		assert.Equal(t, token, r.Header.Get("dapr-api-token"))
		if !ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		select {
		case asked <- struct{}{}:
		default:
		}
	}))
	defer app.Close()
	file := filepath.Join(t.TempDir(), "names.db")
	meta := metadataFor(file, 1)
	meta.Instance.AppPort = app.Listener.Addr().(*net.TCPAddr).Port
	sidecar := New(Life{ReadyPath: "/readyz", AppToken: token})(logger.NewLogger("test"))
	require.NoError(t, sidecar.Init(t.Context(), meta))
	other := New(Life{})(logger.NewLogger("test"))
	require.NoError(t, other.Init(t.Context(), metadataFor(file, 2)))
	own := nameresolution.ResolveRequest{ID: "app-1"}
	<-asked
	_, err := other.ResolveID(t.Context(), own)
	require.ErrorIs(t, err, contrib.ErrNoHost)
	address, err := sidecar.ResolveID(t.Context(), nameresolution.ResolveRequest{ID: "app-2"})
	require.NoError(t, err, "it finds others before it is found")
	assert.Equal(t, "127.0.0.1:4002", address)
	ready.Store(true)
	require.Eventually(t, func() bool { _, err := other.ResolveID(t.Context(), own); return err == nil }, 10*time.Second, time.Millisecond)
	require.NoError(t, errors.Join(sidecar.Close(), other.Close()))
}

// TestASidecarMayEndBeforeItsAppIsReady: nobody waits for the app any more.
func TestASidecarMayEndBeforeItsAppIsReady(t *testing.T) {
	meta := metadataFor(filepath.Join(t.TempDir(), "names.db"), 1)
	meta.Instance.AppPort = 1 // nobody listens
	sidecar := New(Life{ReadyPath: "/readyz"})(logger.NewLogger("test"))
	require.NoError(t, sidecar.Init(t.Context(), meta))
	require.NoError(t, sidecar.Close())
}
