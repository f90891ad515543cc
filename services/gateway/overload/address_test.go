package overload

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhoseAddressItIs(t *testing.T) {
	trusted := parseProxies([]string{"10.0.0.0/8", "fd00::/8"})
	for _, c := range []struct {
		why, from string
		forwarded []string
		want      string
	}{
		{"nobody between us", "203.0.113.9:4711", nil, "203.0.113.9"},
		{"a stranger may write what he likes", "203.0.113.9:4711", []string{"1.1.1.1"}, "203.0.113.9"},
		{"a proxy of ours is believed", "10.1.1.1:80", []string{"203.0.113.9"}, "203.0.113.9"},
		{"only the last hop that is not ours", "10.1.1.1:80", []string{"1.1.1.1, 203.0.113.9, 10.2.2.2"}, "203.0.113.9"},
		{"over several headers", "10.1.1.1:80", []string{"1.1.1.1", "203.0.113.9,10.2.2.2", "10.3.3.3"}, "203.0.113.9"},
		{"nonsense ends the search", "10.1.1.1:80", []string{"203.0.113.9, unknown, 10.2.2.2"}, "10.2.2.2"},
		{"nothing was said", "10.1.1.1:80", nil, "10.1.1.1"},
		{"all of them ours", "10.1.1.1:80", []string{"10.9.9.9"}, "10.9.9.9"},
		{"IPv4 in IPv6", "[::ffff:10.1.1.1]:80", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"IPv6 with brackets and port", "[fd00::1]:80", []string{"[2001:db8::7]:443"}, "2001:db8::7"},
		{"a zone", "[fe80::1%eth0]:80", nil, "fe80::1"},
	} {
		r := &http.Request{RemoteAddr: c.from, Header: http.Header{}}
		if c.forwarded != nil {
			r.Header["X-Forwarded-For"] = c.forwarded
		}
		assert.Equal(t, c.want, trusted.address(r).String(), c.why)
	}
	assert.False(t, trusted.address(&http.Request{RemoteAddr: "in-process"}).IsValid())
}

func TestWhoIsOneClient(t *testing.T) {
	g, err := New(Config{}, Deps{})
	require.NoError(t, err)
	of := func(a string) Client { return g.ByAddress(netip.MustParseAddr(a)) }
	assert.Equal(t, of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"), "a /64 is one client")
	assert.NotEqual(t, of("2001:db8:0:1::1"), of("2001:db8:0:2::1"))
	assert.NotEqual(t, of("203.0.113.1"), of("203.0.113.2"))
	assert.NotEqual(t, g.BySubject("a", "bc"), g.BySubject("ab", "c"))
	other, err := New(Config{}, Deps{})
	require.NoError(t, err)
	assert.NotEqual(t, g.BySubject("", "ada"), other.BySubject("", "ada"), "the hash is keyed anew in each process")
}

func FuzzAddress(f *testing.F) {
	f.Add("10.1.1.1:80", "203.0.113.9, 10.2.2.2")
	f.Add("[::1]:80", "[2001:db8::7]:443,,%,")
	trusted := parseProxies([]string{"10.0.0.0/8", "::/0"})
	f.Fuzz(func(t *testing.T, from, forwarded string) {
		a := trusted.address(&http.Request{RemoteAddr: from, Header: http.Header{"X-Forwarded-For": {forwarded}}})
		if a.Is4In6() || a.Zone() != "" {
			t.Fatalf("%v is not plain", a)
		}
	})
}
