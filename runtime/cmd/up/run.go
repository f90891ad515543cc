package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sidecart/sidecart/runtime/run"
	"github.com/sidecart/sidecart/runtime/servers"
)

// up builds, wipes if asked, and keeps the stack running until ctx ends or it gives up.
func up(ctx context.Context, o *options, out *terminal) error {
	begun := time.Now()
	building := o.buildOnly || o.buildCluster
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port))
	if o.port != 0 && !building {
		// Said before minutes of building, not after.
		if err := run.CheckListen(addr); err != nil {
			return fmt.Errorf("%w; choose another with --port", err)
		}
	}
	if o.fresh && !building {
		if err := run.WipeData(o.data); err != nil {
			return err
		}
	}
	b := builder{root: o.root, out: out}
	if o.buildCluster {
		return b.buildAll(ctx, nil, clusterTargets...)
	}
	if o.buildOnly {
		return b.buildAll(ctx, nil)
	}
	// A missing program is said before minutes of building, not after.
	own, err := servers.Check(o.components, os.Getenv)
	if err != nil {
		return err
	}
	if err := b.buildAll(ctx, func(server string) bool { return slices.Contains(own, server) }); err != nil {
		return err
	}
	stack, err := newStack(o, addr, out)
	if err != nil {
		return err
	}
	out.status("starting")
	if err := stack.Start(ctx); err != nil {
		return err
	}
	out.clear()
	printTable(out, stack, o)
	if err := printToken(ctx, out, o); err != nil {
		return errors.Join(err, stack.Stop(context.WithoutCancel(ctx)))
	}
	fmt.Fprintf(out.stdout, "ready %s\n", stack.URLs().Gateway)
	out.line(fmt.Sprintf("up in %.1fs; Ctrl-C stops everything", time.Since(begun).Seconds()))
	select {
	case <-stack.Done():
		return stack.Err()
	case <-ctx.Done():
	}
	stopping := time.Now()
	out.line("stopping")
	if err := stack.Stop(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	out.line(fmt.Sprintf("stopped in %.1fs", time.Since(stopping).Seconds()))
	return nil
}

func newStack(o *options, addr string, out *terminal) (*run.Stack, error) {
	name := "split.yaml"
	if o.one {
		name = "one.yaml"
	}
	file, err := run.Load(filepath.Join(o.root, "dapr-config", name))
	if err != nil {
		return nil, err
	}
	env := map[string]string{"SIDECART_GATEWAY_ADDR": addr}
	if o.payWithin > 0 {
		env["SIDECART_PAY_WITHIN"] = o.payWithin.String()
	}
	ready := false
	return run.New(run.Options{
		File:      file,
		DataDir:   o.data,
		Daprd:     filepath.Join(o.root, binName, "daprd"),
		Resources: []string{o.components},
		Programs:  filepath.Join(o.root, binName),
		FreePorts: true,
		Env:       env,
		OnEvent: func(e run.Event) {
			switch {
			case e.Process == "" && e.Kind == run.EventReady:
				ready = true
			case e.Kind == run.EventDied || e.Kind == run.EventGaveUp:
				out.line(out.red(e.String()))
			case e.Kind == run.EventReady && ready:
				out.line(e.String() + " again")
			case e.Kind == run.EventReady:
				out.status("starting: " + e.String())
			}
		},
	})
}

// printTable says what runs where.
func printTable(out *terminal, stack *run.Stack, o *options) {
	urls := stack.URLs()
	w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "APP\tRUNS\tADDRESS\tSIDECAR\tMETRICS")
	for _, p := range stack.Processes() {
		switch p.Kind {
		case run.KindApp:
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s/metrics\n", p.Name, runs(stack.Command(p.Name)), p.URL, urls.Dapr[p.Name], urls.Internal[p.Name])
		case run.KindInfra:
			fmt.Fprintf(w, "%s\tno service\t%s\t-\t-\n", p.Name, p.URL)
		case run.KindServer:
			fmt.Fprintf(w, "%s\t%s\t%s\t-\t-\n", p.Name, cmp.Or(p.Version, "no service"), p.URL)
		}
	}
	_ = w.Flush()
	fmt.Fprintf(out.stdout, "set   %s (%s)\n", o.set, relative(o.components))
	fmt.Fprintf(out.stdout, "logs  %s\n", relative(filepath.Join(o.data, "logs")))
}

// printToken prints an operator's token for whoever develops here, if the shop has accounts and its keys are those of its
// data folder.
func printToken(ctx context.Context, out *terminal, o *options) error {
	keys := filepath.Join(o.data, run.KeysFile)
	if _, err := os.Stat(keys); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	token, err := exec.CommandContext(ctx, filepath.Join(o.root, binName, "sidecart"), "token", "--keys", keys).Output()
	if err != nil {
		return fmt.Errorf("sidecart token --keys %s: %w", keys, err)
	}
	fmt.Fprintf(out.stdout, "token %s\n      an operator's, for an hour and for development; scripts/token prints another\n", bytes.TrimSpace(token))
	return nil
}

// runs says which services an app's command line names.
func runs(command []string) string {
	for _, word := range command {
		if list, ok := strings.CutPrefix(word, "--services="); ok {
			if list == "all" {
				return "every service"
			}
			return list
		}
	}
	return "-"
}

// relative shortens a path to what is typed from here.
func relative(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}
