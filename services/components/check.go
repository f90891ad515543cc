package components

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/services/kit/suggest"
)

// Check says what is wrong with the set in dir, in the order of files and lines. It finds nothing in a set that daprd
// takes whole and sidecart is safe on, as far as files tell. An error means that the folder cannot be read.
func Check(dir string) ([]Finding, error) {
	set, findings, err := read(dir)
	if err != nil {
		return nil, err
	}
	c := &checker{set: set, catalog: DaprCatalog(), findings: findings}
	c.names()
	for _, component := range set.Components {
		c.component, c.faulty = component, map[string]bool{}
		c.check()
	}
	sortFindings(c.findings)
	return c.findings, nil
}

// checker goes through a set. component is the one it is at.
type checker struct {
	set       Set
	catalog   *Catalog
	component Component
	faulty    map[string]bool // its fields that are wrong in themselves
	findings  []Finding
}

func (c *checker) errorf(line int, field, format string, args ...any) {
	c.add(Error, line, field, fmt.Sprintf(format, args...))
}

func (c *checker) warnf(line int, field, format string, args ...any) {
	c.add(Warning, line, field, fmt.Sprintf(format, args...))
}

func (c *checker) add(s Severity, line int, field, message string) {
	c.findings = append(c.findings, Finding{
		File: c.component.File, Line: line, Component: c.component.Name, Field: field, Message: message, Severity: s,
	})
}

// names checks that every component there is a need for is there, once.
func (c *checker) names() {
	first := map[string]Component{}
	for _, component := range c.set.Components {
		if before, twice := first[component.Name]; twice {
			c.component = component
			c.errorf(component.lines.name, "metadata.name", "is also in %s:%d: daprd refuses a set with two components of one name", before.File, before.lines.name)
			continue
		}
		first[component.Name] = component
	}
	for _, n := range needs {
		if _, ok := first[n.name]; !ok {
			c.findings = append(c.findings, Finding{
				File: c.set.Dir, Component: n.name, Severity: Error, Message: fmt.Sprintf("is missing: %s", n.why),
			})
		}
	}
}

func (c *checker) check() {
	if !c.knownType() {
		return
	}
	spec, ok := c.knownVersion()
	if !ok {
		return
	}
	if !c.fit(spec) {
		return // its fields do not matter
	}
	c.checkSpec()
	c.checkFields(spec)
	c.checkRules(spec)
	c.checkSecrets(spec)
	c.checkScopes()
}

// fit tells whether the component's type will do at all for what it is called.
func (c *checker) fit(spec Spec) bool {
	n, needed := needFor(c.component.Name)
	line, kind, why := c.component.lines.kind, c.component.Type, ""
	switch {
	case needed && n.types != nil && !slices.Contains(n.types, kind):
		why = fmt.Sprintf("the services cannot use %s for %s: take %s", kind, n.name, strings.Join(n.types, " or "))
	case needed && spec.block() != n.block:
		why = fmt.Sprintf("%s must be a %s component and not %s", n.name, n.block, kind)
	case needed && n.block == "state":
		why = c.unfitStore()
	case unfitBrokers[spec.Type] != "":
		why = fmt.Sprintf("%s does not do: %s", kind, unfitBrokers[spec.Type])
	}
	if why != "" {
		c.errorf(line, "spec.type", "%s", why)
	}
	return why == ""
}

func (c *checker) knownType() bool {
	switch {
	case c.component.Type == "":
		c.errorf(c.component.lines.kind, "spec.type", "is missing")
		return false
	case len(c.catalog.versions(c.component.Type)) == 0:
		c.errorf(c.component.lines.kind, "spec.type", "Dapr %s has no component type %s%s", c.catalog.Dapr, c.component.Type,
			suggest.Ending(c.component.Type, c.catalog.types(c.component.Block())))
		return false
	}
	return true
}

func (c *checker) knownVersion() (Spec, bool) {
	spec, ok := c.catalog.Find(c.component.Type, c.component.Version)
	switch {
	case ok:
	case c.component.Version == "":
		c.errorf(c.component.lines.version, "spec.version", "is missing: Dapr %s has %s", c.catalog.Dapr, strings.Join(c.catalog.versions(c.component.Type), ", "))
	default:
		c.errorf(c.component.lines.version, "spec.version", "Dapr %s has no %s of %s, but %s", c.catalog.Dapr, c.component.Version, c.component.Type,
			strings.Join(c.catalog.versions(c.component.Type), ", "))
	}
	return spec, ok
}

func (s Spec) block() string {
	block, _, _ := strings.Cut(s.Type, ".")
	return block
}

// checkSpec checks what stands around the fields.
func (c *checker) checkSpec() {
	if t := c.component.initTimeout; t.text != "" {
		if d, err := time.ParseDuration(t.text); err != nil || d <= 0 {
			c.errorf(t.line, "spec.initTimeout", "%q is no duration above zero, as 30s", t.text)
		}
	}
	ignore := c.component.ignoreErrors
	if ignore.text == "" {
		return
	}
	value, ok := parseBool(ignore.text)
	switch _, needed := needFor(c.component.Name); {
	case !ok:
		c.errorf(ignore.line, "spec.ignoreErrors", "%q is neither true nor false", ignore.text)
	case value && needed:
		c.errorf(ignore.line, "spec.ignoreErrors", "a sidecar would start without %s and say that it is well", c.component.Name)
	}
}

// checkScopes checks that exactly the apps that need a component see it.
func (c *checker) checkScopes() {
	line := c.component.lines.scopes
	for _, app := range c.component.Scopes {
		if !slices.Contains(apps, serviceOf(app)) {
			c.errorf(line, "scopes", "there is no app %q%s", app, suggest.Ending(app, apps))
		}
	}
	n, ok := needFor(c.component.Name)
	switch {
	case !ok:
	case len(c.component.Scopes) == 0:
		c.warnf(line, "scopes", "is missing: every app sees %s; want [%s]", c.component.Name, strings.Join(n.mustSee(), ", "))
	default:
		for _, app := range n.mustSee() {
			if !slices.Contains(c.component.Scopes, app) {
				c.errorf(line, "scopes", "%s is not in it and needs %s: %s", app, c.component.Name, n.why)
			}
		}
		for _, app := range c.component.Scopes {
			if slices.Contains(apps, serviceOf(app)) && !slices.Contains(n.mustSee(), serviceOf(app)) {
				c.warnf(line, "scopes", "%s has no use for %s", app, c.component.Name)
			}
		}
	}
}

// serviceOf is what an app runs: a release that the gateway's gray rules name is called order-canary and is an order.
func serviceOf(app string) string {
	service, _, _ := strings.Cut(app, "-")
	return service
}
