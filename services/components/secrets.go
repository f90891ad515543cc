package components

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sidecart/sidecart/services/kit/suggest"
)

// checkSecrets checks that references lead somewhere, that apps cannot read the secret store, and that no secret stands in
// a file.
func (c *checker) checkSecrets(spec Spec) {
	if spec.block() == "secretstores" && c.component.Name != secretStore && c.component.Name != accountSecrets {
		c.errorf(c.component.lines.name, "metadata.name",
			"call the secret store %s: dapr-config/config.yaml keeps apps from reading the one of that name only", secretStore)
	}
	store, found := c.set.Component(c.component.SecretStore)
	switch name := c.component.SecretStore; {
	case name == "", name == "kubernetes": // the latter is built into daprd
	case !found:
		c.errorf(c.component.lines.secretStore, "auth.secretStore", "the set has no component %q%s", name, suggest.Ending(name, c.secretStores()))
	case store.Block() != "secretstores":
		c.errorf(c.component.lines.secretStore, "auth.secretStore", "%s is no secret store but %s", name, store.Type)
	}
	for _, app := range c.component.Scopes {
		if store.Block() == "secretstores" && len(store.Scopes) > 0 && !slices.Contains(store.Scopes, app) {
			c.errorf(c.component.lines.secretStore, "auth.secretStore", "%s is not in the scopes of %s, so its sidecar could not look up what is here", app, store.Name)
		}
	}
	unnamed := slices.IndexFunc(c.component.Fields, func(f Field) bool { return f.Secret != nil })
	if unnamed >= 0 && c.component.SecretStore == "" {
		f := c.component.Fields[unnamed]
		c.errorf(f.Secret.line, f.Name, "secretKeyRef without auth.secretStore: nobody would look the secret up")
	}
	for _, f := range c.component.Fields {
		c.checkReference(f, store)
		known, _ := spec.field(f.Name)
		if secret := known.Sensitive || isSecretName(f.Name); secret && showsSecret(f.Value) || hasPassword(f.Value) {
			c.plainText(f)
		}
	}
}

func (c *checker) secretStores() []string {
	var names []string
	for _, s := range c.set.Components {
		if s.Block() == "secretstores" {
			names = append(names, s.Name)
		}
	}
	return names
}

// Names that a store's service takes for a secret. The names of one set may be wrong in another.
var secretNames = map[string]*regexp.Regexp{
	"secretstores.azure.keyvault":    regexp.MustCompile(`^[0-9A-Za-z-]+$`),
	"secretstores.gcp.secretmanager": regexp.MustCompile(`^[0-9A-Za-z_-]+$`),
}

func (c *checker) checkReference(f Field, store Component) {
	if f.Env != "" {
		switch name := strings.ToUpper(f.Env); {
		case name == "APP_API_TOKEN" || strings.HasPrefix(name, "DAPR_") || strings.Contains(name, " "):
			c.errorf(f.Line, f.Name, "daprd keeps the variable %s from components: take another name", f.Env)
		case f.Value != "" || f.Secret != nil:
			c.errorf(f.valueLine, f.Name, "envRef goes before value and secretKeyRef, even when the variable is not there: leave it or them out")
		}
	}
	if f.Secret == nil {
		return
	}
	if form := secretNames[store.Type]; form != nil && !form.MatchString(f.Secret.Name) {
		c.errorf(f.Secret.line, f.Name, "%q can be no name of a secret in %s, which wants %s", f.Secret.Name, store.Type, form)
	}
}

func (c *checker) plainText(f Field) {
	if f.Secret != nil {
		c.warnf(f.valueLine, f.Name, "a password stands in the file, beside the reference to the secret")
		return
	}
	c.errorf(f.valueLine, f.Name, "a secret stands in the file: take secretKeyRef, and auth.secretStore: %s", secretStore)
}

// Connection strings are called sensitive for the password that may be in them.
var (
	keyword    = regexp.MustCompile(`(?i)(^|[;\s?&])(password|pwd|accountkey|sharedaccesskey|sharedaccesssignature)\s*=\s*[^;\s&]`)
	userInfo   = regexp.MustCompile(`://[^/@:]*:[^/@]+@|^[^/@:=]+:[^/@]+@`)
	connection = regexp.MustCompile(`://|=|@(tcp|unix)\(`)
)

// showsSecret tells whether a sensitive field's value is a secret, or an address with one in it.
func showsSecret(value string) bool {
	if value == "" {
		return false
	}
	if connection.MatchString(value) && !strings.HasSuffix(value, "=") { // a key in base64 ends like that
		return hasPassword(value)
	}
	return true
}

// hasPassword tells whether there is a password in an address or connection string, in whatever field.
func hasPassword(value string) bool { return keyword.MatchString(value) || userInfo.MatchString(value) }

// isSecretName catches fields that the list should call sensitive and does not.
func isSecretName(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "password") || strings.HasSuffix(name, "secretkey") || name == "securitytoken"
}
