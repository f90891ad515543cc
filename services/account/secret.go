package account

import (
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/kit/identity"
)

// What the sealing keys are used for. Changing one makes all that was made with it useless.
const (
	forPasswords = "password"
	forRefresh   = "refresh token"
	forDevices   = "device token"
)

// accountNamespace makes account ids; changing it would lose every account.
var accountNamespace = uuid.MustParse("b6f0a2de-4c1b-5b7e-9a63-2f1c8d7e5a90")

// accountID follows from tenant and address, so that the one account that can be meant is found without an index. The tenant has
// no NUL.
func accountID(tenant, email string) string {
	return uuid.NewSHA1(accountNamespace, []byte(tenant+"\x00"+email)).String()
}

// sealHash makes a hash unreadable for whoever has no key: store, broker, backups. It is bound to its account.
func sealHash(k *identity.Keys, accountID, hash string) string {
	return k.Seal(forPasswords, accountID, []byte(hash))
}

// openHash reads a sealed hash; stale says that it was sealed with a key that is on its way out.
func openHash(k *identity.Keys, accountID, sealed string) (hash string, stale bool, err error) {
	plain, fresh, err := k.Open(forPasswords, accountID, sealed)
	if err != nil {
		return "", false, fmt.Errorf("account: the hash of %s cannot be opened: the key set has lost a key: %w", accountID, err)
	}
	return string(plain), !fresh, nil
}

// refreshToken is a link of a session's chain. It is made from what it says, and kept nowhere.
type refreshToken struct {
	account    string
	session    string
	generation uint32
}

const (
	uuidBytes    = 16
	refreshBytes = 2*uuidBytes + 4
	deviceBytes  = 2 * uuidBytes
)

func (t refreshToken) write(k *identity.Keys) string {
	account, session := uuid.MustParse(t.account), uuid.MustParse(t.session)
	data := append(append(make([]byte, 0, refreshBytes), account[:]...), session[:]...)
	return k.Tag(forRefresh, binary.BigEndian.AppendUint32(data, t.generation))
}

// readRefreshToken refuses what is none as if its session had ended: there is no difference for its owner.
func readRefreshToken(k *identity.Keys, token string) (refreshToken, error) {
	if len(token) > accountapi.MaxTokenBytes {
		return refreshToken{}, errSessionEnded
	}
	data, err := k.Untag(forRefresh, token)
	if err != nil || len(data) != refreshBytes {
		return refreshToken{}, errSessionEnded.Wrap(err)
	}
	return refreshToken{
		account: uuid.UUID(data[:uuidBytes]).String(), session: uuid.UUID(data[uuidBytes : 2*uuidBytes]).String(),
		generation: binary.BigEndian.Uint32(data[2*uuidBytes:]),
	}, nil
}

// deviceToken says that somebody has signed in to the account on the device.
func deviceToken(k *identity.Keys, accountID, deviceID string) string {
	account, device := uuid.MustParse(accountID), uuid.MustParse(deviceID)
	return k.Tag(forDevices, append(append(make([]byte, 0, deviceBytes), account[:]...), device[:]...))
}

// readDevice gives the device of a token for the account; "" for one that is none, or of another account: a stranger.
func readDevice(k *identity.Keys, accountID, token string) string {
	if token == "" || len(token) > accountapi.MaxTokenBytes {
		return ""
	}
	data, err := k.Untag(forDevices, token)
	if err != nil || len(data) != deviceBytes || uuid.UUID(data[:uuidBytes]).String() != accountID {
		return ""
	}
	return uuid.UUID(data[uuidBytes:]).String()
}
