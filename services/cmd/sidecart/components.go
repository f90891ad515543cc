package main

import (
	"fmt"
	"os"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/sidecart/sidecart/services/components"
)

func componentsCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "components",
		Short: "Check and test component sets: folders that say which store and broker a shop stands on",
		Long: "Check and test component sets. A set is a folder of Dapr component files (state, pubsub, mail, sms,\n" +
			"payment-provider, secrets) that says which store and which broker a shop stands on.",
		Example: "  sidecart components check components/redis\n  sidecart components test components/redis",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(checkCommand(getenv), testCommand(getenv))
	return cmd
}

func checkCommand(getenv func(string) string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Say what is wrong with a set's files, without starting anything",
		Long: "Compare a set's files with what Dapr says of each component (types, versions, fields, values) and with what\n" +
			"sidecart needs (the components' names, who may use them, a store that creates a key only if it does not exist).\n" +
			"Nothing is started, and no account is needed. Whether the servers keep their word: sidecart components test.\n\n" +
			"Exit code: 0 nothing worse than warnings, 1 errors, 2 the folder cannot be read.",
		Example: "  sidecart components check components/redis\n  sidecart components check ./my-set --json",
		Args:    oneSet,
		RunE: func(cmd *cobra.Command, args []string) error {
			findings, err := components.Check(args[0])
			if err != nil {
				return &usageError{err}
			}
			con := newConsole(cmd.OutOrStdout(), cmd.ErrOrStderr(), getenv)
			if asJSON {
				err = writeJSON(con, checkAnswer(args[0], findings))
			} else {
				showFindings(con, args[0], findings)
			}
			if n := errorsIn(findings); n > 0 && err == nil {
				return fmt.Errorf("%s has %s to mend", args[0], count(n, "error"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as one JSON document")
	return cmd
}

// showFindings prints them by file, as they stand in it.
func showFindings(con *console, dir string, findings []components.Finding) {
	file := ""
	for _, f := range findings {
		if f.File != file {
			file = f.File
			con.line("%s", con.paint(strong, file))
		}
		at, about := "", f.Component
		if f.Line > 0 {
			at = fmt.Sprint(f.Line)
		}
		if f.Field != "" {
			about += " " + f.Field
		}
		severity := con.paint(careful, "warning")
		if f.Severity == components.Error {
			severity = con.paint(bad, "error") + "  "
		}
		con.line("%6s  %s  %s: %s", at, severity, about, f.Message)
	}
	wrong := errorsIn(findings)
	switch warnings := len(findings) - wrong; {
	case len(findings) == 0:
		con.line("%s: %s", dir, con.paint(good, "nothing to mend"))
	default:
		con.line("%s: %s, %s", dir, count(wrong, "error"), count(warnings, "warning"))
	}
}

func errorsIn(findings []components.Finding) (n int) {
	for _, f := range findings {
		if f.Severity == components.Error {
			n++
		}
	}
	return n
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// finding is a components.Finding for programs.
type finding struct {
	File      string `json:"file"`
	Line      int    `json:"line,omitzero"`
	Severity  string `json:"severity"`
	Component string `json:"component,omitzero"`
	Field     string `json:"field,omitzero"`
	Message   string `json:"message"`
}

func checkAnswer(dir string, found []components.Finding) any {
	findings := make([]finding, len(found))
	for i, f := range found {
		findings[i] = finding{f.File, f.Line, string(f.Severity), f.Component, f.Field, f.Message}
	}
	return struct {
		Set      string    `json:"set"`
		Errors   int       `json:"errors"`
		Warnings int       `json:"warnings"`
		Findings []finding `json:"findings"`
	}{dir, errorsIn(found), len(found) - errorsIn(found), findings}
}

func writeJSON(con *console, answer any) error {
	text, err := json.Marshal(answer, jsontext.Multiline(true))
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	con.line("%s", text)
	return nil
}

// oneSet wants the folder of one set.
func oneSet(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want the folder of one component set, such as components/redis; there are %d arguments", len(args))
	}
	return nil
}

// isFolder refuses what cannot be a set before anything is started.
func isFolder(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("component set: %w", err)
	case !info.IsDir():
		return fmt.Errorf("component set: %s is not a folder", dir)
	}
	return nil
}
