package account

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// chain is what the model knows of a session: every refresh token that was given, and when the newest was.
type chain struct {
	account string
	tokens  int // 0..tokens-1 were given
	used    time.Time
	ended   time.Time // zero: open
}

// model plays an account service of two accounts with what the rules say, and holds the machine to it.
type model struct {
	t      *rapid.T
	state  *state
	at     journal.At
	chains map[string]*chain
	hashes map[string]string
	next   int
}

// do decides a command, applies it, and decides it once more, which must give the same and change nothing.
func (m *model) do(cmd journal.Command) (any, error) {
	answer, events, err := machine{}.Decide(m.state, m.at, cmd)
	if err != nil {
		require.Empty(m.t, events)
		return nil, err
	}
	for _, e := range events {
		raw, err := json.Marshal(e)
		require.NoError(m.t, err)
		read, err := machine{}.Types().Decode(journal.Record{Type: e.EventType(), Data: raw})
		require.NoError(m.t, err)
		machine{}.Apply(m.state, m.at, read)
	}
	again, more, err := machine{}.Decide(m.state, m.at, cmd)
	if o, ok := answer.(opened); ok && o.Reused {
		require.ErrorIs(m.t, err, errSessionEnded, "the session that reuse has ended stays so")
		return answer, nil
	}
	require.NoError(m.t, err)
	require.Empty(m.t, more, "a repeat of %T writes nothing", cmd)
	if o, ok := answer.(opened); ok {
		require.Equal(m.t, o.Session, again.(opened).Session)
	}
	return answer, nil
}

func (m *model) id() string { m.next++; return fmt.Sprintf("s%03d", m.next) }

func (m *model) open() (ids []string) {
	for id, c := range m.chains {
		if c.ended.IsZero() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (m *model) end(account, but string) {
	for id, c := range m.chains {
		if c.account == account && id != but && c.ended.IsZero() {
			c.ended = m.at.Time
		}
	}
}

func (m *model) opened(account, id string, answer any) {
	require.Equal(m.t, id, answer.(opened).Session.ID)
	m.chains[id] = &chain{account: account, tokens: 1, used: m.at.Time}
	var own []string
	for _, other := range m.open() {
		if m.chains[other].account == account {
			own = append(own, other)
		}
	}
	if len(own) > maxSessions { // the longest unused made room
		slices.SortFunc(own, func(a, b string) int {
			if c := m.chains[a].used.Compare(m.chains[b].used); c != 0 {
				return c
			}
			if a < b {
				return -1
			}
			return 1
		})
		m.chains[own[0]].ended = m.at.Time
	}
}

func (m *model) signIn(account string) {
	id := m.id()
	answer, err := m.do(openSession{ID: account, Session: id, HashSeen: m.hashes[account]})
	require.NoError(m.t, err)
	m.opened(account, id, answer)
	_, err = m.do(openSession{ID: account, Session: m.id(), HashSeen: "one that was"})
	require.ErrorIs(m.t, err, errWrongCredentials)
}

// refresh shows any token that was ever given.
func (m *model) refresh() {
	if len(m.chains) == 0 {
		return
	}
	ids := make([]string, 0, len(m.chains))
	for id := range m.chains {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	id := rapid.SampledFrom(ids).Draw(m.t, "session")
	c := m.chains[id]
	behind := rapid.IntRange(0, min(2, c.tokens-1)).Draw(m.t, "behind")
	answer, err := m.do(refresh{ID: c.account, Session: id, Generation: uint32(c.tokens - 1 - behind)})
	idle := m.at.Time.Sub(c.used)
	switch {
	case !c.ended.IsZero() || idle > sessionIdle:
		require.ErrorIs(m.t, err, errSessionEnded)
	case behind == 0:
		require.NoError(m.t, err)
		c.tokens, c.used = c.tokens+1, m.at.Time
		require.EqualValues(m.t, c.tokens-1, answer.(opened).Session.Generation)
	case behind == 1 && idle <= refreshLeeway:
		require.NoError(m.t, err)
		require.False(m.t, answer.(opened).Reused)
		require.EqualValues(m.t, c.tokens-1, answer.(opened).Session.Generation, "the same answer again")
	default:
		require.NoError(m.t, err)
		require.True(m.t, answer.(opened).Reused)
		c.ended = m.at.Time
	}
}

// check holds the state to the model.
func (m *model) check() {
	revoked := map[string]bool{}
	m.state.revoked.Scan(func(_ string, e ended) bool { revoked[e.Session] = true; return true })
	for id, c := range m.chains {
		open := m.state.get(c.account).session(id) != nil
		require.Equal(m.t, c.ended.IsZero(), open, "session %s", id)
		if !c.ended.IsZero() && m.at.Time.Sub(c.ended) <= accessFor {
			require.True(m.t, revoked[id], "tokens of %s could still hold", id)
		}
	}
	require.LessOrEqual(m.t, len(m.state.get("a").Sessions), maxSessions)
	require.Equal(m.t, dump(m.t, m.state), dump(m.t, restored(m.t, m.state)), "a snapshot is the whole state")
}

// dump is a state's records, in one order.
func dump(t require.TestingT, s *state) []string {
	var out []string
	require.NoError(t, machine{}.Dump(s, func(kind string, record any) error {
		raw, err := json.Marshal(record)
		out = append(out, kind+" "+string(raw))
		return err
	}))
	slices.Sort(out)
	return out
}

func restored(t require.TestingT, s *state) *state {
	fresh := machine{}.New()
	require.NoError(t, machine{}.Dump(s, func(kind string, record any) error {
		raw, err := json.Marshal(record)
		require.NoError(t, err)
		return machine{}.Load(fresh, kind, raw)
	}))
	return fresh
}

func TestSessionsKeepTheirRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			t: t, state: machine{}.New(), chains: map[string]*chain{}, hashes: map[string]string{"a": "a0", "b": "b0"},
			at: journal.At{Time: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)},
		}
		for _, id := range []string{"a", "b"} {
			_, err := m.do(signUp{ID: id, Subject: "subject-" + id, Email: id + "@example.com", Hash: id + "0", Key: "k"})
			require.NoError(t, err)
		}
		account := rapid.SampledFrom([]string{"a", "b"})
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { m.check() },
			"time": func(t *rapid.T) {
				m.at.Time = m.at.Time.Add(rapid.SampledFrom([]time.Duration{
					time.Second, refreshLeeway, refreshLeeway + time.Second, accessFor, sessionIdle, sessionIdle + time.Second,
				}).Draw(t, "passes"))
			},
			"sign in": func(t *rapid.T) { m.signIn(account.Draw(t, "account")) },
			"many": func(t *rapid.T) {
				id := account.Draw(t, "account")
				for range 8 {
					m.signIn(id)
				}
			},
			"refresh":   func(*rapid.T) { m.refresh() },
			"refresh 2": func(*rapid.T) { m.refresh() },
			"everywhere": func(t *rapid.T) {
				id := account.Draw(t, "account")
				_, err := m.do(endSessions{ID: id})
				require.NoError(t, err)
				m.end(id, "")
			},
			"sign out": func(t *rapid.T) {
				if open := m.open(); len(open) > 0 {
					id := rapid.SampledFrom(open).Draw(t, "session")
					_, err := m.do(endSessions{ID: m.chains[id].account, Session: id})
					require.NoError(t, err)
					m.chains[id].ended = m.at.Time
				}
			},
			"password": func(t *rapid.T) {
				id, opens := account.Draw(t, "account"), m.id()
				answer, err := m.do(changePassword{ID: id, Session: opens, HashSeen: m.hashes[id], Hash: "new " + opens})
				require.NoError(t, err)
				m.hashes[id] = "new " + opens
				m.end(id, "")
				m.opened(id, opens, answer)
			},
			"roles": func(t *rapid.T) {
				id := account.Draw(t, "account")
				roles := rapid.SampledFrom([][]string{{"customer"}, {"customer", "operator"}}).Draw(t, "roles")
				same := slices.Equal(m.state.get(id).Roles, roles)
				_, err := m.do(setRoles{ID: id, Roles: roles, By: "op"})
				require.NoError(t, err)
				if !same {
					m.end(id, "")
				}
			},
			"sweep": func(t *rapid.T) {
				_, err := m.do(expire{IDs: []string{"a", "b", "nobody"}})
				require.NoError(t, err)
				for _, c := range m.chains {
					if c.ended.IsZero() && m.at.Time.Sub(c.used) > sessionIdle {
						c.ended = m.at.Time
					}
				}
			},
			"sign up again": func(t *rapid.T) {
				id := account.Draw(t, "account")
				answer, err := m.do(signUp{ID: id, Subject: "another", Hash: "another", Key: "k"})
				require.NoError(t, err)
				require.Equal(t, "subject-"+id, answer.(signedUp).Account.Subject)
				_, err = m.do(signUp{ID: id, Subject: "another", Hash: "another", Key: rapid.SampledFrom([]string{"", "k2"}).Draw(t, "key")})
				require.True(t, errs.HasCode(err, accountapi.CodeEmailTaken))
			},
		})
	})
}

func TestAStateThatWasClonedStays(t *testing.T) {
	s := machine{}.New()
	at := journal.At{Time: time.Unix(0, 0)}
	s.put(made(accountapi.SignedUp{AccountID: "a", Subject: "s", Roles: []string{"customer"}}, at))
	machine{}.Apply(s, at, accountapi.SessionOpened{AccountID: "a", SessionID: "one"})
	before := dump(t, s)
	c := machine{}.Clone(s)
	for _, e := range []journal.Event{
		accountapi.SessionRefreshed{AccountID: "a", SessionID: "one", Generation: 1},
		accountapi.RolesSet{AccountID: "a", Roles: []string{"operator"}},
		accountapi.SessionsEnded{AccountID: "a", SessionIDs: []string{"one"}, TokensUntil: at.Time.Add(accessFor)},
		accountapi.PasswordChanged{AccountID: "a", Hash: "h"},
	} {
		machine{}.Apply(c, at, e)
	}
	require.Equal(t, before, dump(t, s))
	require.NotEqual(t, before, dump(t, c))
}
