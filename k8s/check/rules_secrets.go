package check

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	components "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	corev1 "k8s.io/api/core/v1"
)

// exampleFile stands beside an overlay's kustomization and has every key that the Secret "sidecart" must have.
const exampleFile = "secret.example.env"

var secretRules = []Rule{
	{"tokens", "anything in the pod's network can call the app or its sidecar", func(s *Shop, r report) {
		for _, p := range s.Pods {
			app := container(p.Template.Spec.Containers, appContainer)
			if p.App == "" || app == nil || p.Sidecar == nil {
				continue
			}
			for _, name := range []string{"APP_API_TOKEN", "DAPR_API_TOKEN"} {
				mine, theirs := secretOf(app, name), secretOf(p.Sidecar, name)
				if mine == nil || theirs == nil || *mine != *theirs {
					r(p.Owner, "%s: app and sidecar should have it from one Secret", name)
				}
			}
		}
	}},
	{"no-secret-here", "a password is in the repository's history for good", func(s *Shop, r report) {
		for _, o := range of[corev1.Secret](s) {
			r(o.Object, "is a Secret: make it in the cluster")
		}
		for _, p := range s.Pods {
			for _, c := range containers(p.Injected) {
				for _, e := range c.Env {
					if e.Value != "" && slices.ContainsFunc([]string{"TOKEN", "PASSWORD", "SECRET", "_DSN"}, func(s string) bool { return strings.Contains(e.Name, s) }) {
						r(p.Owner, "container %s: %s is written out", c.Name, e.Name)
					}
				}
			}
		}
	}},
	{"secret-keys", "a sidecar starts without its password, or with a default for loopback", findSecretKeys},
	{"signing-keys", "nobody can sign in, or an app that has no business with it can sign as anybody", findSigningKeys},
	{"addresses", "a component finds no address: daprd has no such variable", func(s *Shop, r report) {
		for _, c := range of[components.Component](s) {
			for _, m := range c.v.Spec.Metadata {
				for _, p := range s.Pods {
					if m.EnvRef == "" || p.Sidecar == nil || !slices.Contains(c.v.Scopes, p.App) {
						continue
					}
					if !slices.ContainsFunc(p.Sidecar.Env, func(e corev1.EnvVar) bool { return e.Name == m.EnvRef }) {
						r(c.Object, "%s: the sidecar of %s has no variable %s (dapr.io/env)", m.Name, p.App, m.EnvRef)
					}
				}
			}
		}
	}},
}

func findSecretKeys(s *Shop, r report) {
	wanted := map[string]bool{}
	for _, c := range of[components.Component](s) {
		for _, m := range c.v.Spec.Metadata {
			if m.SecretKeyRef.Name == "" {
				continue
			}
			if c.v.SecretStore != "kubernetes" {
				if named[components.Component](s, c.v.SecretStore) == nil {
					r(c.Object, "%s: there is no store of secrets %q", m.Name, c.v.SecretStore)
				}
				continue
			}
			if m.SecretKeyRef.Name != "sidecart" {
				r(c.Object, "%s: is in Secret %q, want sidecart", m.Name, m.SecretKeyRef.Name)
			}
			wanted[m.SecretKeyRef.Key] = true
		}
	}
	file := Object{Kind: "file", Name: exampleFile, File: s.Overlay + "/" + exampleFile}
	given, err := keysOf(s.disk, filepath.Join(s.root, filepath.FromSlash(s.Overlay), exampleFile))
	if errors.Is(err, os.ErrNotExist) && len(wanted) == 0 {
		return
	}
	if err != nil {
		r(file, "%v", err)
		return
	}
	if !slices.Equal(given, sorted(wanted)) {
		r(file, "has the keys %v, the components ask for %v", given, sorted(wanted))
	}
}

// Where the account service's keys are: the store and its secret as the app asks for it, and the Secret that they come from.
const (
	accountSecrets = "account-secrets"
	signingKeys    = "KEYS"
	keysSecret     = "account-keys"
	keysKey        = "keys"
)

// findSigningKeys: the sidecars that have the store have its variable from the Secret, and no other container has that Secret.
func findSigningKeys(s *Shop, r report) {
	store := named[components.Component](s, accountSecrets)
	if store == nil {
		return // rule scopes tells
	}
	prefix := ""
	for _, m := range store.Spec.Metadata {
		if m.Name == "prefix" {
			prefix = m.Value.String()
		}
	}
	for _, p := range s.Pods {
		signs := slices.Contains(store.Scopes, p.App)
		if signs && p.Sidecar != nil && store.Spec.Type == "secretstores.local.env" {
			if from := secretOf(p.Sidecar, prefix+signingKeys); from == nil || from.Name != keysSecret || from.Key != keysKey {
				r(p.Owner, "the sidecar should have %s from key %s of the Secret %s (dapr.io/env-from-secret)", prefix+signingKeys, keysKey, keysSecret)
			}
		}
		for _, c := range containers(p.Injected) {
			if signs && p.Sidecar != nil && c.Name == p.Sidecar.Name {
				continue
			}
			if slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
				return e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil && e.ValueFrom.SecretKeyRef.Name == keysSecret
			}) {
				r(p.Owner, "container %s gets the Secret %s", c.Name, keysSecret)
			}
		}
	}
}

// keysOf are the names in a file of NAME=value, sorted.
func keysOf(disk edited, path string) ([]string, error) {
	text, err := disk.ReadFile(path)
	if err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(name, "#") {
			keys[name] = true
		}
	}
	return sorted(keys), nil
}

// secretOf is where a variable's value comes from; nil when from no Secret.
func secretOf(c *corev1.Container, name string) *corev1.SecretKeySelector {
	for _, e := range c.Env {
		if e.Name == name && e.ValueFrom != nil {
			return e.ValueFrom.SecretKeyRef
		}
	}
	return nil
}
