package accountapi

import "time"

// Bounds of what callers say.
const (
	MaxEmailBytes     = 254 // RFC 5321, less the brackets
	MinPasswordChars  = 8   // NIST SP 800-63B, 5.1.1.2
	MaxPasswordChars  = 128
	MaxIdempotencyKey = 128
	MaxTokenBytes     = 512 // of a refresh or device token
)

// HeaderIdempotency makes a sign-up safe to repeat.
const HeaderIdempotency = "Idempotency-Key"

// HeaderReplayed is true on an answer that was given before.
const HeaderReplayed = "Idempotent-Replayed"

// Codes of refusals, beside the common ones.
const (
	CodeEmailTaken       = "email_taken"
	CodeWrongCredentials = "wrong_credentials" // of an address without an account, too
	CodeTooManyFailures  = "too_many_failures"
	CodeSessionEnded     = "session_ended"
	CodeUnknownAccount   = "unknown_account"
	CodeKeyReused        = "idempotency_key_reused"
)

// SignUpRequest is the body of POST /v1/accounts.
type SignUpRequest struct {
	Tenant   string `json:"tenant,omitzero"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

// Account is what an account's owner and operators see of it.
type Account struct {
	Subject   string    `json:"subject"`
	Tenant    string    `json:"tenant"`
	Email     string    `json:"email"`
	Roles     []string  `json:"roles"`
	CreatedAt time.Time `json:"created_at"`
}

// SignInRequest is the body of POST /v1/accounts/sessions.
type SignInRequest struct {
	Tenant   string `json:"tenant,omitzero"`
	Email    string `json:"email"`
	Password string `json:"password"`
	Device   string `json:"device_token,omitzero"` // that of an earlier answer to this device
}

// RefreshRequest is the body of POST /v1/accounts/sessions/refresh and /sign-out.
type RefreshRequest struct {
	RefreshToken string `json:"refresh_token"`
}

// Tokens is what somebody who has signed in is given. It is a secret.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"` // Bearer
	ExpiresIn    int64  `json:"expires_in"` // seconds that the access token holds
	RefreshToken string `json:"refresh_token"`
	Device       string `json:"device_token,omitzero"` // to be shown at the next sign-in
	SessionID    string `json:"session_id"`
	Subject      string `json:"subject"`
}

// PasswordRequest is the body of PUT /v1/accounts/me/password.
type PasswordRequest struct {
	Password    string `json:"password"`
	NewPassword string `json:"new_password"`
	Device      string `json:"device_token,omitzero"`
}

// RolesRequest is the body of PUT /v1/accounts/roles.
type RolesRequest struct {
	Email string   `json:"email"`
	Roles []string `json:"roles"`
}

// Me is who asks, as the shop knows them: an account, or the subject of another issuer.
type Me struct {
	Subject string   `json:"subject"`
	Tenant  string   `json:"tenant"`
	Roles   []string `json:"roles"`
	Email   string   `json:"email,omitzero"` // of an account
}

// Session is an item of GET /v1/accounts/me/sessions.
type Session struct {
	ID        string    `json:"id"`
	OpenedAt  time.Time `json:"opened_at"`
	UsedAt    time.Time `json:"used_at"`    // opened or refreshed
	ExpiresAt time.Time `json:"expires_at"` // if it is not used again
}
