package account

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/kit/trie"
)

// state is one shard: its accounts, and the sessions that ended so lately that tokens of theirs may still hold.
type state struct {
	accounts trie.Map[string, *account] // by account id
	subjects trie.Map[string, string]   // subject → account id
	revoked  btree.Map[string, ended]   // by revokedKey: the first is the first to be forgotten
}

// ended is a session whose tokens must not be believed.
type ended struct {
	Session string    `json:"session"`
	Until   time.Time `json:"until"` // no token of it holds longer
}

func newState() *state { return &state{} }

func (s *state) clone() *state {
	return &state{accounts: s.accounts.Clone(), subjects: s.subjects.Clone(), revoked: *s.revoked.Copy()}
}

// account is one account. It is never changed once it is in a state.
type account struct {
	ID        string    `json:"id"`
	Subject   string    `json:"subject"`
	Tenant    string    `json:"tenant,omitzero"`
	Email     string    `json:"email"`
	Roles     []string  `json:"roles"`
	Hash      string    `json:"hash"`         // of the password, sealed
	Key       string    `json:"key,omitzero"` // digest of the Idempotency-Key of its sign-up
	CreatedAt time.Time `json:"created_at"`
	Sessions  []session `json:"sessions,omitempty"` // open ones, the longest unused first; at most maxSessions
}

// session is a chain of refresh tokens.
type session struct {
	ID         string    `json:"id"`
	Generation uint32    `json:"generation"` // of the newest refresh token, from 0
	OpenedAt   time.Time `json:"opened_at"`
	UsedAt     time.Time `json:"used_at"` // when the newest refresh token was made
}

// get finds an account, nil if there is none.
func (s *state) get(id string) *account {
	a, _ := s.accounts.Get(id)
	return a
}

// bySubject finds an account by what other services know it by.
func (s *state) bySubject(subject string) *account {
	id, ok := s.subjects.Get(subject)
	if !ok {
		return nil
	}
	return s.get(id)
}

func (s *state) put(a *account) {
	s.accounts.Set(a.ID, a)
	s.subjects.Set(a.Subject, a.ID)
}

// revoke keeps a session among those that ended until none of its tokens can hold, and forgets those for which that is over.
func (s *state) revoke(e ended, now time.Time) {
	for {
		key, first, ok := s.revoked.Min()
		if !ok || !first.Until.Before(now) {
			break
		}
		s.revoked.Delete(key)
	}
	s.revoked.Set(revokedKey(e), e)
}

func revokedKey(e ended) string { return fmt.Sprintf("%020d %s", e.Until.UnixNano(), e.Session) }

// copy is one to be changed before it is put into a state.
func (a *account) copy() *account {
	c := *a
	c.Sessions = slices.Clone(a.Sessions)
	return &c
}

// session finds an open session; the pointer is for changing a copy.
func (a *account) session(id string) *session {
	for i := range a.Sessions {
		if a.Sessions[i].ID == id {
			return &a.Sessions[i]
		}
	}
	return nil
}

// sortSessions puts the longest unused first, where apply and the bound look for them.
func (a *account) sortSessions() {
	slices.SortStableFunc(a.Sessions, func(x, y session) int { return cmp.Or(x.UsedAt.Compare(y.UsedAt), cmp.Compare(x.ID, y.ID)) })
}

// wire is the account as its owner sees it.
func (a *account) wire() accountapi.Account {
	return accountapi.Account{Subject: a.Subject, Tenant: a.Tenant, Email: a.Email, Roles: a.Roles, CreatedAt: a.CreatedAt}
}
