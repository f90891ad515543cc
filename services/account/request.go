package account

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/identity"
)

// commonText has passwords that everybody tries first, in lower case, one a line: the start of every published list of
// leaked passwords, as far as it is long enough to be allowed otherwise.
//
//go:embed common.txt
var commonText string

var common = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(commonText) {
		set[strings.TrimSpace(line)] = true
	}
	return set
})

// checkEmail gives the address in the one form that finds its account: lower case throughout. Addresses that differ in case alone
// are one person's, whatever a mail server could make of them.
func checkEmail(field, email string) (string, error) {
	if email == "" {
		return "", errs.InvalidField(field, "must not be empty")
	}
	normal := norm.NFC.String(strings.ToLower(norm.NFC.String(email)))
	if max(len(email), len(normal)) > accountapi.MaxEmailBytes { // some letters are longer in lower case
		return "", errs.InvalidField(field, "is over %d bytes", accountapi.MaxEmailBytes)
	}
	parsed, err := mail.ParseAddress(email)
	plain := strings.IndexFunc(email, func(r rune) bool { return r <= ' ' || r == '<' || r == '"' || !unicode.IsPrint(r) }) < 0
	if err != nil || !plain || parsed.Address != email {
		return "", errs.InvalidField(field, "is not an e-mail address")
	}
	return normal, nil
}

func checkTenant(field, tenant string) error {
	if !identity.ValidTenant(tenant) {
		return errs.InvalidField(field, "must be up to %d lower-case letters, digits and dashes", identity.MaxTenantBytes)
	}
	return nil
}

// checkNewPassword gives the password in the one form that is hashed. What it must be like follows NIST SP 800-63B: long, not
// common, not the address; of what characters is nobody's business.
func checkNewPassword(field, password, email string) (string, error) {
	password, err := checkPassword(field, password)
	if err != nil {
		return "", err
	}
	lower := strings.ToLower(password)
	local, _, _ := strings.Cut(email, "@")
	switch {
	case utf8.RuneCountInString(password) < accountapi.MinPasswordChars:
		return "", errs.InvalidField(field, "must have at least %d characters", accountapi.MinPasswordChars)
	case common()[lower]:
		return "", errs.InvalidField(field, "is one of the passwords that everybody tries first")
	case lower == email || lower == local:
		return "", errs.InvalidField(field, "is the e-mail address")
	case strings.Count(password, string([]rune(password)[0])) == utf8.RuneCountInString(password):
		return "", errs.InvalidField(field, "is one character over and over")
	}
	return password, nil
}

// checkPassword bounds a password that is only compared.
func checkPassword(field, password string) (string, error) {
	if password == "" {
		return "", errs.InvalidField(field, "must not be empty")
	}
	password = norm.NFC.String(password) // the same key on another keyboard may give another form
	if utf8.RuneCountInString(password) > accountapi.MaxPasswordChars {
		return "", errs.InvalidField(field, "is over %d characters", accountapi.MaxPasswordChars)
	}
	return password, nil
}

// checkRoles gives the roles in one order.
func checkRoles(field string, roles []string) ([]string, error) {
	if len(roles) == 0 {
		return nil, errs.InvalidField(field, "must name a role")
	}
	for _, role := range roles {
		if !identity.ValidRole(role) {
			return nil, errs.InvalidField(field, "must be of %s, %s and %s", identity.RoleCustomer, identity.RoleOperator, identity.RoleService)
		}
	}
	sorted := slices.Clone(roles)
	slices.Sort(sorted)
	return slices.Compact(sorted), nil
}

// checkKey gives the digest of an Idempotency-Key, "" if there is none.
func checkKey(values []string) (string, error) {
	const field = accountapi.HeaderIdempotency
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	switch {
	case len(values) > 1:
		return "", errs.InvalidField(field, "is given %d times", len(values))
	case key == "" || len(key) > accountapi.MaxIdempotencyKey:
		return "", errs.InvalidField(field, "must have 1 to %d characters", accountapi.MaxIdempotencyKey)
	case strings.IndexFunc(key, func(r rune) bool { return r < 0x20 || r > 0x7e }) >= 0:
		return "", errs.InvalidField(field, "must be printable ASCII")
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16]), nil
}
