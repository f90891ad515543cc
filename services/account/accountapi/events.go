package accountapi

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// Why sessions ended.
const (
	EndedSignOut  = "sign_out"
	EndedReuse    = "reuse"    // an old refresh token came: somebody has a copy
	EndedPassword = "password" // the password was changed
	EndedRoles    = "roles"    // the roles were changed
	EndedTooMany  = "too_many" // the longest unused one, when there are too many
	EndedExpired  = "expired"  // not used for too long
)

// SignedUp says that there is an account. Hash is sealed and says nothing to anybody else.
type SignedUp struct {
	AccountID string   `json:"account_id"` // UUID v5 of tenant and address
	Subject   string   `json:"subject"`    // UUID v4
	Tenant    string   `json:"tenant,omitzero"`
	Email     string   `json:"email"` // normalized
	Roles     []string `json:"roles"`
	Hash      string   `json:"hash"`
	Key       string   `json:"key,omitzero"` // digest of the Idempotency-Key
}

// Rehashed says that the same password is kept in another way.
type Rehashed struct {
	AccountID string `json:"account_id"`
	Hash      string `json:"hash"`
}

// PasswordChanged says that there is a new password.
type PasswordChanged struct {
	AccountID string `json:"account_id"`
	Hash      string `json:"hash"`
}

// RolesSet says what the account may from now on.
type RolesSet struct {
	AccountID string   `json:"account_id"`
	Roles     []string `json:"roles"`
	By        string   `json:"by,omitzero"` // subject of who did it
}

// SessionOpened says that somebody has signed in.
type SessionOpened struct {
	AccountID string `json:"account_id"`
	SessionID string `json:"session_id"`
}

// SessionRefreshed says that the session has its next refresh token.
type SessionRefreshed struct {
	AccountID  string `json:"account_id"`
	SessionID  string `json:"session_id"`
	Generation uint32 `json:"generation"`
}

// SessionsEnded says that the sessions' refresh tokens are good no more, and their access tokens neither, the last of which would
// hold until TokensUntil.
type SessionsEnded struct {
	AccountID   string    `json:"account_id"`
	SessionIDs  []string  `json:"session_ids"`
	Reason      string    `json:"reason"`
	TokensUntil time.Time `json:"tokens_until"`
}

// EventType names the event.
func (SignedUp) EventType() string { return "account.signed_up" }

// EventType names the event.
func (Rehashed) EventType() string { return "account.rehashed" }

// EventType names the event.
func (PasswordChanged) EventType() string { return "account.password_changed" }

// EventType names the event.
func (RolesSet) EventType() string { return "account.roles_set" }

// EventType names the event.
func (SessionOpened) EventType() string { return "account.session_opened" }

// EventType names the event.
func (SessionRefreshed) EventType() string { return "account.session_refreshed" }

// EventType names the event.
func (SessionsEnded) EventType() string { return "account.sessions_ended" }

// Types lists every event of the account journal.
func Types() journal.Types {
	return journal.NewTypes(SignedUp{}, Rehashed{}, PasswordChanged{}, RolesSet{}, SessionOpened{}, SessionRefreshed{}, SessionsEnded{})
}
