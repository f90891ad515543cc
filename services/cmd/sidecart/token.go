package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidecart/sidecart/services/kit/identity"
)

// How long a token that is made by hand may hold. Nothing can take it back but a rotation of the keys.
const (
	defaultTokenFor = time.Hour
	maxTokenFor     = 30 * 24 * time.Hour
)

func tokenCommand() *cobra.Command {
	var file string
	var holds time.Duration
	claims := identity.Claims{}
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print an access token, signed with the account service's own keys",
		Long: "Prints an access token for whoever has the private key set: for development, for programs, and for the first operator of a\n" +
			"shop (docs/accounts.md). It belongs to no account and no session, and holds until its end.",
		Example: "  sidecart token --keys .data/account-keys.json\n" +
			"  sidecart token --keys .data/account-keys.json --role customer --subject ada --for 10m",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return &usageError{errors.New("--keys is missing: name the file of the private key set")}
			}
			if holds < time.Second || holds > maxTokenFor {
				return &usageError{fmt.Errorf("--for: %s is not from 1s to %s", holds, maxTokenFor)}
			}
			claims.IssuedAt = time.Now().UTC()
			claims.Expires = claims.IssuedAt.Add(holds)
			if err := claims.Check(); err != nil {
				return &usageError{err}
			}
			document, err := readKeys(file)
			if err != nil {
				return err
			}
			keys, err := identity.ParseKeys(document)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			token, err := keys.Sign(claims)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "keys", "", "file of the private key set, as sidecart keys new makes it (required)")
	f.StringSliceVar(&claims.Roles, "role", []string{identity.RoleOperator},
		strings.Join([]string{identity.RoleCustomer, identity.RoleOperator, identity.RoleService}, ", ")+"; may be given several times")
	f.StringVar(&claims.Subject, "subject", "developer", "whom it is about; customers see what is their subject's")
	f.StringVar(&claims.Tenant, "tenant", "", "tenant; without it the shop itself")
	f.DurationVar(&holds, "for", defaultTokenFor, "how long it holds, 1s to 720h")
	return cmd
}
