package account

import "time"

// Bounds of sessions.
const (
	maxSessions   = 20                  // of an account; the longest unused one makes room
	sessionIdle   = 30 * 24 * time.Hour // unused for so long, a session has ended
	refreshLeeway = 30 * time.Second    // in which the refresh token before the newest gets the same answer
	// accessFor is how long an access token holds, and so how long one is good for that cannot be revoked any more because
	// account cannot be reached.
	accessFor = 10 * time.Minute
)

// The commands of account. Repeated, each gives the answer that it gave first.
type (
	// signUp makes an account. The password of a repeat (same Key) is for the caller to compare.
	signUp struct {
		ID, Subject, Tenant, Email string
		Hash                       string
		Key                        string // "" for none
	}
	// openSession signs somebody in whose password was right when the account's hash was HashSeen.
	openSession struct {
		ID       string
		Session  string
		HashSeen string
		Rehash   string // what the hash becomes; "": it stays
	}
	// refresh asks for the refresh token after the one of a generation.
	refresh struct {
		ID         string
		Session    string
		Generation uint32
	}
	// endSessions ends sessions; those that are not open are passed over. Session "" means all.
	endSessions struct {
		ID      string
		Session string
	}
	// changePassword ends every session and opens a new one.
	changePassword struct {
		ID       string
		Session  string
		HashSeen string
		Hash     string
	}
	// setRoles ends every session if it changes anything: their tokens say the old ones.
	setRoles struct {
		ID    string
		Roles []string
		By    string
	}
	// expire ends the sessions of accounts that were not used for too long.
	expire struct{ IDs []string }
)

// The answers, beside *account.
type (
	// signedUp is the answer to signUp.
	signedUp struct {
		Account  *account
		Replayed bool
	}
	// opened is the answer to what gives tokens. Reused says that there is none: an old refresh token has ended the session.
	opened struct {
		Account *account
		Session session
		Reused  bool
	}
)
