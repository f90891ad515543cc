package run

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keyMaker is a program called sidecart that writes where it is told and counts its calls.
func keyMaker(t *testing.T, script string) *App {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, keysProgram), []byte("#!/bin/sh\n"+script), 0o700)) //nolint:gosec // a program must be executable
	return &App{ID: "account", Dir: dir, Command: []string{"./" + keysProgram, "serve"}}
}

func TestKeysAreMadeOnceAndGivenToWhoReadsThem(t *testing.T) {
	t.Setenv(keysEnv, "")
	app := keyMaker(t, `[ "$1 $2 $3" = "keys new --out" ] || exit 9; echo call >>calls; cat calls >"$4"`)
	s := &Stack{data: &dataDir{Path: t.TempDir()}}
	for range 2 {
		env, err := s.accountKeys(app, nil)
		require.NoError(t, err)
		assert.Equal(t, []string{keysEnv + "=call\n"}, env)
	}
	other := *app
	other.ID = "order"
	env, err := s.accountKeys(&other, nil)
	require.NoError(t, err)
	assert.Empty(t, env)
}

func TestKeysAreMadeByOurProgramForAnotherBuild(t *testing.T) {
	t.Setenv(keysEnv, "")
	ours := keyMaker(t, `echo ours >"$4"`)
	s := &Stack{data: &dataDir{Path: t.TempDir()}, opts: Options{Programs: ours.Dir}}
	for _, command := range []string{"./sidecart-with-more", "./sidecart"} {
		env, err := s.accountKeys(&App{ID: "sidecart", Dir: t.TempDir(), Command: []string{command}}, nil)
		require.NoError(t, err)
		assert.Equal(t, []string{keysEnv + "=ours\n"}, env)
	}
	s.opts.Programs = t.TempDir()
	env, err := s.accountKeys(&App{ID: "sidecart", Dir: t.TempDir(), Command: []string{"./another"}}, nil)
	require.NoError(t, err)
	assert.Empty(t, env, "a program that is not ours is asked for nothing")
}

func TestKeysOfTheCallersOwnStay(t *testing.T) {
	t.Setenv(keysEnv, "")
	app, s := keyMaker(t, "exit 9"), &Stack{data: &dataDir{Path: t.TempDir()}}
	env, err := s.accountKeys(app, map[string]string{keysEnv: "mine"})
	require.NoError(t, err)
	assert.Empty(t, env)
	t.Setenv(keysEnv, "the shell's")
	env, err = s.accountKeys(app, nil)
	require.NoError(t, err)
	assert.Empty(t, env)
}

func TestKeysThatCannotBeMadeSayWhy(t *testing.T) {
	t.Setenv(keysEnv, "")
	s := &Stack{data: &dataDir{Path: t.TempDir()}}
	_, err := s.accountKeys(keyMaker(t, "echo no entropy; exit 1"), nil)
	require.ErrorContains(t, err, "no entropy")
	require.ErrorContains(t, err, KeysFile)
}
