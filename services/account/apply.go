package account

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// apply changes s by what has happened; see journal.Machine.
func apply(s *state, at journal.At, event journal.Event) {
	if e, ok := event.(accountapi.SignedUp); ok {
		s.put(made(e, at))
		return
	}
	a := s.get(aboutAccount(event)).copy()
	switch e := event.(type) {
	case accountapi.Rehashed:
		a.Hash = e.Hash
	case accountapi.PasswordChanged:
		a.Hash = e.Hash
	case accountapi.RolesSet:
		a.Roles = e.Roles
	case accountapi.SessionOpened:
		a.Sessions = append(a.Sessions, session{ID: e.SessionID, OpenedAt: at.Time, UsedAt: at.Time})
		a.sortSessions()
	case accountapi.SessionRefreshed:
		if open := a.session(e.SessionID); open != nil {
			open.Generation, open.UsedAt = e.Generation, at.Time
		}
		a.sortSessions()
	case accountapi.SessionsEnded:
		a.Sessions = slices.DeleteFunc(a.Sessions, func(o session) bool { return slices.Contains(e.SessionIDs, o.ID) })
		for _, id := range e.SessionIDs {
			s.revoke(ended{Session: id, Until: e.TokensUntil}, at.Time)
		}
	}
	s.put(a)
}

// aboutAccount is the account that an event is about.
func aboutAccount(event journal.Event) string {
	switch e := event.(type) {
	case accountapi.Rehashed:
		return e.AccountID
	case accountapi.PasswordChanged:
		return e.AccountID
	case accountapi.RolesSet:
		return e.AccountID
	case accountapi.SessionOpened:
		return e.AccountID
	case accountapi.SessionRefreshed:
		return e.AccountID
	case accountapi.SessionsEnded:
		return e.AccountID
	default:
		panic(fmt.Sprintf("account: no such event: %T", event))
	}
}

// made is the account that signing up makes.
func made(e accountapi.SignedUp, at journal.At) *account {
	return &account{
		ID: e.AccountID, Subject: e.Subject, Tenant: e.Tenant, Email: e.Email, Roles: e.Roles, Hash: e.Hash, Key: e.Key, CreatedAt: at.Time,
	}
}

// machine is the domain as the journal wants it.
type machine struct{}

// New is an empty shard.
func (machine) New() *state { return newState() }

// Clone takes constant time.
func (machine) Clone(s *state) *state { return s.clone() }

// Decide answers a command.
func (machine) Decide(s *state, at journal.At, cmd journal.Command) (any, []journal.Event, error) {
	return decide(s, at, cmd)
}

// Apply changes the state by an event.
func (machine) Apply(s *state, at journal.At, event journal.Event) { apply(s, at, event) }

// Types lists the events.
func (machine) Types() journal.Types { return accountapi.Types() }

// Kinds of snapshot records.
const (
	recordAccount = "account"
	recordEnded   = "ended"
)

// Dump gives every account with its sessions, and the sessions that ended lately.
func (machine) Dump(s *state, emit func(kind string, record any) error) error {
	for _, a := range s.accounts.All() {
		if err := emit(recordAccount, a); err != nil {
			return err
		}
	}
	var err error
	s.revoked.Scan(func(_ string, e ended) bool {
		err = emit(recordEnded, e)
		return err == nil
	})
	return err
}

// Load adds one record of Dump. The index by subject follows from the accounts.
func (machine) Load(s *state, kind string, record jsontext.Value) error {
	switch kind {
	case recordAccount:
		a := &account{}
		if err := json.Unmarshal(record, a); err != nil {
			return fmt.Errorf("account: account in a snapshot: %w", err)
		}
		s.put(a)
		return nil
	case recordEnded:
		var e ended
		if err := json.Unmarshal(record, &e); err != nil {
			return fmt.Errorf("account: ended session in a snapshot: %w", err)
		}
		s.revoked.Set(revokedKey(e), e)
		return nil
	default:
		return fmt.Errorf("account: unknown kind of snapshot record: %q", kind)
	}
}
