package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sidecart/sidecart/services/gateway/contracts"
	"github.com/sidecart/sidecart/services/gateway/foreign"
	"github.com/sidecart/sidecart/services/gateway/rules"
	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

func gatewayCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use: "gateway", Short: "Check the gateway's rules: releases, limits, terminals",
		Example: "  sidecart gateway check dapr-config/gateway.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(checkRulesCommand(getenv))
	return cmd
}

func checkRulesCommand(getenv func(string) string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong with a gateway.yaml, by line",
		Long: "Read a gateway.yaml as the gateway does: unknown keys, wrong types, values out of their bounds, routes that are no\n" +
			"operation of the services in this program, and services of others that do not fit beside these. What every key means:\n" +
			"docs/gateway-rules.md.\n\n" +
			"Exit code: 0 nothing is wrong, 1 something is, 2 the file cannot be read.",
		Example: "  sidecart gateway check dapr-config/gateway.yaml\n  sidecart gateway check dapr-config/gateway.yaml --json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("want one file, such as dapr-config/gateway.yaml; there are %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			faults, err := faultsOf(args[0])
			if err != nil {
				return &usageError{err}
			}
			con := newConsole(cmd.OutOrStdout(), cmd.ErrOrStderr(), getenv)
			if asJSON {
				err = writeJSON(con, struct {
					File   string        `json:"file"`
					Faults []rules.Fault `json:"faults"`
				}{args[0], faults})
			} else {
				for _, f := range faults {
					con.line("%s:%s", args[0], f)
				}
			}
			switch {
			case err != nil:
				return err
			case len(faults) > 0:
				return fmt.Errorf("%s has %s to mend", args[0], count(len(faults), "error"))
			case !asJSON:
				con.line("%s: %s", args[0], con.paint(good, "nothing to mend"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what is wrong as one JSON document")
	return cmd
}

// faultsOf reads and checks a file. The error says that it cannot be read.
func faultsOf(path string) ([]rules.Fault, error) {
	d, err := rules.Load(path)
	if bad, ok := errors.AsType[*rules.Faults](err); ok {
		return bad.List, nil
	}
	if err != nil {
		return nil, err
	}
	own, err := shopContracts()
	if err != nil {
		return nil, err
	}
	faults := d.File.Services.Taken(names())
	given, wrong := foreign.Open(d.File.Services, nil)
	if faults = append(faults, wrong...); len(faults) > 0 {
		return d.Locate(faults, "services"), nil
	}
	all, faults := foreign.Fit(given, func(given []*contracts.Contract) (*contracts.Set, error) {
		return contracts.NewSet(append(own, given...), nil, nil, "")
	})
	if len(faults) > 0 {
		return d.Locate(faults, "services"), nil
	}
	known := map[string]bool{}
	for id := range all.Operations() {
		known[id] = true
	}
	return d.Strangers(known), nil
}

// shopContracts are those of all services of this program, by their names. The services are made for their contracts and never run.
func shopContracts() ([]*contracts.Contract, error) {
	nowhere, err := sidecar.New(sidecar.Config{GRPCPort: 1})
	if err != nil {
		return nil, err
	}
	defer func() { _ = nowhere.Close() }()
	h, err := host.New(host.Config{}, host.Outside{Sidecar: nowhere}, factories(config{}, names())...)
	if err != nil {
		return nil, err
	}
	var all []*contracts.Contract
	told := h.Contracts()
	for _, service := range slices.Sorted(maps.Keys(told)) {
		c, err := contracts.Read(service, told[service])
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}
