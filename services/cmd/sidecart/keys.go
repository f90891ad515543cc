package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/sidecart/sidecart/services/kit/identity"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make the private keys of the account service",
		Long: "A key set is one secret, a JWK set. Its first signing key signs access tokens and all of them verify; its first sealing\n" +
			"key (kty oct) seals passwords' hashes and all of them open. docs/accounts.md says how to rotate.",
	}
	cmd.AddCommand(newKeysCommand(), addKeysCommand(), promoteKeysCommand())
	return cmd
}

func newKeysCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "new", Short: "Make a key set: one key to sign with and one to seal with", Args: cobra.NoArgs,
		Example: "  sidecart keys new --out account-keys.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			document, err := identity.NewKeys(rand.Reader)
			if err != nil {
				return err
			}
			return writeKeys(cmd.OutOrStdout(), out, document)
		},
	}
	outFlag(cmd, &out)
	return cmd
}

func addKeysCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "add FILE", Short: "Begin a rotation: the set in FILE with new keys at its end, which verify and do not sign yet", Args: cobra.ExactArgs(1),
		Example: "  sidecart keys add account-keys.json --out account-keys-next.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := identity.NewKeys(rand.Reader)
			if err != nil {
				return err
			}
			return reorder(cmd, args[0], out, func(was []jsontext.Value) ([]jsontext.Value, error) {
				more, err := splitKeys(document)
				return append(was, more...), err
			})
		},
	}
	outFlag(cmd, &out)
	return cmd
}

func promoteKeysCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "promote FILE", Short: "Go on with a rotation: the set in FILE with the two keys at its end, which add has made, as the first", Args: cobra.ExactArgs(1),
		Example: "  sidecart keys promote account-keys-next.json --out account-keys-last.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return reorder(cmd, args[0], out, func(was []jsontext.Value) ([]jsontext.Value, error) {
				if len(was) < 4 {
					return nil, fmt.Errorf("%s has no keys to promote: make some with sidecart keys add", args[0])
				}
				return append(was[len(was)-2:len(was):len(was)], was[:len(was)-2]...), nil
			})
		},
	}
	outFlag(cmd, &out)
	return cmd
}

func outFlag(cmd *cobra.Command, out *string) {
	cmd.Flags().StringVar(out, "out", "", "file to write, which only its owner can read and which must not be there yet; default: standard output")
}

// reorder reads a key set, changes its list, and writes it if it is a key set still.
func reorder(cmd *cobra.Command, file, out string, change func([]jsontext.Value) ([]jsontext.Value, error)) error {
	document, err := readKeys(file)
	if err != nil {
		return err
	}
	list, err := splitKeys(document)
	if err != nil {
		return err
	}
	if list, err = change(list); err != nil {
		return &usageError{err}
	}
	changed, err := json.Marshal(map[string][]jsontext.Value{"keys": list}, jsontext.Multiline(true))
	if err != nil {
		return err
	}
	if _, err := identity.ParseKeys(changed); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return writeKeys(cmd.OutOrStdout(), out, append(changed, '\n'))
}

func splitKeys(document []byte) ([]jsontext.Value, error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, errors.New("this is not a key set") // the cause could quote a key
	}
	return set.Keys, nil
}

// readKeys reads a key set that is good.
func readKeys(file string) ([]byte, error) {
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	defer func() { _ = f.Close() }()
	document, err := io.ReadAll(io.LimitReader(f, identity.MaxKeySetBytes+1))
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	if _, err := identity.ParseKeys(document); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return document, nil
}

// writeKeys writes a secret to a new file, whole or not at all, or to standard output.
func writeKeys(stdout io.Writer, out string, document []byte) (err error) {
	if out == "" {
		_, err := stdout.Write(document)
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(out), ".keys-*") // mode 0600
	if err != nil {
		return fmt.Errorf("key set: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(document)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("key set: %w", err)
	}
	if err := os.Link(f.Name(), out); errors.Is(err, fs.ErrExist) { // a rename would replace what is there
		return &usageError{fmt.Errorf("%s is there already; keys that are lost cannot be made again, so it is left as it is", out)}
	} else if err != nil {
		return fmt.Errorf("key set: %w", err)
	}
	return nil
}
