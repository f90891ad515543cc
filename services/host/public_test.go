package host

import (
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

// twoWays listens to the outside by Public and by another server.
type twoWays struct {
	publicService
	other Server
}

func (s *twoWays) PublicGRPC() (string, Server) { return "127.0.0.1:0", s.other }
func (s *twoWays) named() Named {
	return Named{Name: s.name, New: func(d Deps) (Service, error) { s.deps = d; return s, nil }}
}

func TestAServiceMayListenInTwoWays(t *testing.T) {
	s := &twoWays{publicService: publicService{fakeService: fakeService{name: "gateway"}, address: "127.0.0.1:0", handler: http.NotFoundHandler()}}
	s.other = httpx.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }), httpx.ServerConfig{}, nil)
	h := start(t, Config{}, Outside{}, s.named())
	eventually(t, "both are open", func() bool { return h.open() == nil })
	_, _, public := h.Addresses()
	require.Len(t, public, 2)
	status, _ := fetch(t, "http://"+public[0]+"/")
	assert.Equal(t, http.StatusNotFound, status)
	status, _ = fetch(t, "http://"+public[1]+"/")
	assert.Equal(t, http.StatusTeapot, status)
	require.NoError(t, h.end(t))
	for _, address := range public {
		_, err := net.Dial("tcp", address)
		assert.Error(t, err, "it is closed")
	}

	s = &twoWays{publicService: publicService{fakeService: fakeService{name: "gateway"}, address: "127.0.0.1:0", handler: http.NotFoundHandler()}}
	h = start(t, Config{}, Outside{}, s.named())
	eventually(t, "the one is open", func() bool { return h.open() == nil })
	_, _, public = h.Addresses()
	assert.Len(t, public, 1, "no server is no listener")
	require.NoError(t, h.end(t))
}
