package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

const (
	// KeysFile is the account service's private key set in a data folder, for development: made once, by the service's own
	// program, and kept as long as the data.
	KeysFile = "account-keys.json"
	// keysEnv is where the component account-secrets of a set finds it, in the sidecar's environment. Apps are not given it.
	keysEnv        = "SIDECART_ACCOUNT_KEYS"
	keysProgram    = "sidecart"
	makeKeysWithin = 30 * time.Second
	maxKeysBytes   = 256 << 10
)

// keysReaders are the apps whose sidecars have the component account-secrets.
var keysReaders = []string{"account", "sidecart"}

// accountKeys gives the entry of the environment with the key set for the sidecar of an app that reads it, and makes the set
// the first time. It is nothing where the caller or the shell names one.
func (s *Stack) accountKeys(app *App, entries map[string]string) ([]string, error) {
	if !slices.Contains(keysReaders, app.ID) || entries[keysEnv] != "" || os.Getenv(keysEnv) != "" {
		return nil, nil
	}
	maker := s.keysMaker(app)
	if maker == "" {
		return nil, nil
	}
	path := filepath.Join(s.data.Path, KeysFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := makeKeys(maker, app.Dir, path); err != nil {
			return nil, err
		}
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxKeysBytes {
		err = fmt.Errorf("%d bytes, at most %d expected", info.Size(), maxKeysBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("key set %s: %w", path, err)
	}
	document, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	return []string{keysEnv + "=" + string(document)}, nil
}

// keysMaker is the program that makes a key set: this project's own, where its folder is known, because the app's may be another
// build or an older release; else the app's, if it is one of ours. "" is neither.
func (s *Stack) keysMaker(app *App) string {
	if s.opts.Programs != "" {
		own := filepath.Join(s.opts.Programs, keysProgram)
		if _, err := os.Stat(own); err == nil {
			return own
		}
	}
	if filepath.Base(app.Command[0]) == keysProgram {
		return program(app.Dir, app.Command[0])
	}
	return ""
}

// makeKeys has the service's program write a new key set.
func makeKeys(program, dir, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), makeKeysWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "keys", "new", "--out", path)
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("key set %s: %s keys new: %w: %.300s", path, program, err, said)
	}
	return nil
}
