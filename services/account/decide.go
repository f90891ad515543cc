package account

import (
	"fmt"
	"slices"
	"time"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// Refusals. What is wrong with credentials is not said: whether there is an account is nobody's business. Signing up tells it all the
// same, as long as no mail confirms addresses (docs/accounts.md).
var (
	errEmailTaken       = errs.New(errs.Conflict, accountapi.CodeEmailTaken, "there is an account with this e-mail address")
	errWrongCredentials = errs.New(errs.Unauthenticated, accountapi.CodeWrongCredentials, "the e-mail address or the password is wrong")
	errSessionEnded     = errs.New(errs.Unauthenticated, accountapi.CodeSessionEnded, "the session has ended; sign in again")
	errUnknownAccount   = errs.New(errs.NotFound, accountapi.CodeUnknownAccount, "there is no such account")
)

// decide answers one command; see journal.Machine.
func decide(s *state, at journal.At, cmd journal.Command) (any, []journal.Event, error) {
	switch c := cmd.(type) {
	case signUp:
		return decideSignUp(s, at, c)
	case openSession:
		return decideOpenSession(s, at, c)
	case refresh:
		return decideRefresh(s, at, c)
	case endSessions:
		return decideEndSessions(s, at, c)
	case changePassword:
		return decideChangePassword(s, at, c)
	case setRoles:
		return decideSetRoles(s, at, c)
	case expire:
		return nil, decideExpire(s, at, c), nil
	default:
		return nil, nil, fmt.Errorf("account: no such command: %T", cmd)
	}
}

func decideSignUp(s *state, at journal.At, c signUp) (any, []journal.Event, error) {
	if a := s.get(c.ID); a != nil {
		if c.Key != "" && c.Key == a.Key {
			return signedUp{Account: a, Replayed: true}, nil, nil
		}
		return nil, nil, errEmailTaken
	}
	e := accountapi.SignedUp{
		AccountID: c.ID, Subject: c.Subject, Tenant: c.Tenant, Email: c.Email, Hash: c.Hash, Key: c.Key, Roles: []string{identity.RoleCustomer},
	}
	return signedUp{Account: made(e, at)}, []journal.Event{e}, nil
}

// decideOpenSession refuses when the password has changed since it was compared.
func decideOpenSession(s *state, at journal.At, c openSession) (any, []journal.Event, error) {
	a := s.get(c.ID)
	if a == nil {
		return nil, nil, errWrongCredentials
	}
	if there := a.session(c.Session); there != nil {
		return opened{Account: a, Session: *there}, nil, nil
	}
	if a.Hash != c.HashSeen {
		return nil, nil, errWrongCredentials
	}
	var events []journal.Event
	if c.Rehash != "" {
		events = append(events, accountapi.Rehashed{AccountID: c.ID, Hash: c.Rehash})
	}
	if n := len(a.Sessions); n >= maxSessions {
		events = append(events, endOf(a, at, accountapi.EndedTooMany, a.Sessions[:n-maxSessions+1]))
	}
	return openAfter(events, a, at, c.Session)
}

// openAfter opens a session after other events.
func openAfter(events []journal.Event, a *account, at journal.At, id string) (any, []journal.Event, error) {
	events = append(events, accountapi.SessionOpened{AccountID: a.ID, SessionID: id})
	return opened{Account: a, Session: session{ID: id, OpenedAt: at.Time, UsedAt: at.Time}}, events, nil
}

// decideRefresh turns the chain one further. A token that is older than the one before the newest was used twice, by two: which
// of them is the thief cannot be told, so both must sign in again (RFC 9700, 4.14.2).
func decideRefresh(s *state, at journal.At, c refresh) (any, []journal.Event, error) {
	a := s.get(c.ID)
	if a == nil {
		return nil, nil, errSessionEnded
	}
	open := a.session(c.Session)
	if open == nil || at.Time.Sub(open.UsedAt) > sessionIdle {
		return nil, nil, errSessionEnded
	}
	switch {
	case c.Generation == open.Generation:
		next := session{ID: open.ID, Generation: open.Generation + 1, OpenedAt: open.OpenedAt, UsedAt: at.Time}
		return opened{Account: a, Session: next}, []journal.Event{
			accountapi.SessionRefreshed{AccountID: c.ID, SessionID: c.Session, Generation: next.Generation},
		}, nil
	case c.Generation+1 == open.Generation && at.Time.Sub(open.UsedAt) <= refreshLeeway:
		return opened{Account: a, Session: *open}, nil, nil
	default:
		return opened{Account: a, Reused: true}, []journal.Event{endOf(a, at, accountapi.EndedReuse, []session{*open})}, nil
	}
}

func decideEndSessions(s *state, at journal.At, c endSessions) (any, []journal.Event, error) {
	a := s.get(c.ID)
	if a == nil {
		return nil, nil, nil
	}
	ending := a.Sessions
	if c.Session != "" {
		one := a.session(c.Session)
		if one == nil {
			return nil, nil, nil
		}
		ending = []session{*one}
	}
	return nil, endAll(a, at, accountapi.EndedSignOut, ending), nil
}

func decideChangePassword(s *state, at journal.At, c changePassword) (any, []journal.Event, error) {
	a := s.get(c.ID)
	if a == nil {
		return nil, nil, errUnknownAccount
	}
	if there := a.session(c.Session); there != nil { // it was opened by this command
		return opened{Account: a, Session: *there}, nil, nil
	}
	if a.Hash != c.HashSeen {
		return nil, nil, errWrongCredentials
	}
	events := []journal.Event{accountapi.PasswordChanged{AccountID: c.ID, Hash: c.Hash}}
	events = append(events, endAll(a, at, accountapi.EndedPassword, a.Sessions)...)
	return openAfter(events, a, at, c.Session)
}

func decideSetRoles(s *state, at journal.At, c setRoles) (any, []journal.Event, error) {
	a := s.get(c.ID)
	if a == nil {
		return nil, nil, errUnknownAccount
	}
	if slices.Equal(a.Roles, c.Roles) {
		return a, nil, nil
	}
	changed := a.copy()
	changed.Roles, changed.Sessions = c.Roles, nil
	events := []journal.Event{accountapi.RolesSet{AccountID: c.ID, Roles: c.Roles, By: c.By}}
	return changed, append(events, endAll(a, at, accountapi.EndedRoles, a.Sessions)...), nil
}

func decideExpire(s *state, at journal.At, c expire) []journal.Event {
	var events []journal.Event
	for _, id := range c.IDs {
		if a := s.get(id); a != nil {
			events = append(events, endAll(a, at, accountapi.EndedExpired, a.expired(at.Time))...)
		}
	}
	return events
}

// expired are the sessions that were not used for too long; they come first.
func (a *account) expired(now time.Time) []session {
	n := 0
	for n < len(a.Sessions) && now.Sub(a.Sessions[n].UsedAt) > sessionIdle {
		n++
	}
	return a.Sessions[:n]
}

// endAll is endOf, or nothing when nothing ends.
func endAll(a *account, at journal.At, reason string, ending []session) []journal.Event {
	if len(ending) == 0 {
		return nil
	}
	return []journal.Event{endOf(a, at, reason, ending)}
}

// endOf ends sessions of an account. Their newest access tokens were made no later than now.
func endOf(a *account, at journal.At, reason string, ending []session) journal.Event {
	e := accountapi.SessionsEnded{AccountID: a.ID, Reason: reason, TokensUntil: at.Time.Add(accessFor)}
	for _, s := range ending {
		e.SessionIDs = append(e.SessionIDs, s.ID)
	}
	return e
}
