package main

// builtinProfiles are the ways to authenticate that many components share: a metadata.yaml names them, and components-contrib
// keeps them in .build-tools/builtin-authentication-profiles.yaml, which its Go module leaves out. So their names stand here, as
// they are there since December 2024. Kafka and PostgreSQL do not ask for the AWS region; the others do in their own code.
var builtinProfiles = map[string][]profile{
	"aws": {
		{Title: "AWS: access key", Fields: []field{
			{Name: "region"}, {Name: "awsRegion", Deprecated: true},
			{Name: "accessKey", Sensitive: true}, {Name: "secretKey", Sensitive: true}, {Name: "sessionToken", Sensitive: true},
		}},
		{Title: "AWS: assume an IAM role", Fields: []field{
			{Name: "region", Required: true}, {Name: "assumeRoleArn"}, {Name: "sessionName"},
		}},
		{Title: "AWS: credentials of the environment"},
		{Title: "AWS: IAM Roles Anywhere", Fields: []field{
			{Name: "trustAnchorArn", Required: true}, {Name: "trustProfileArn", Required: true}, {Name: "assumeRoleArn", Required: true},
		}},
	},
	"azuread": {
		{Title: "Azure: managed identity", Fields: []field{{Name: "azureClientId"}, azureEnvironment}},
		{Title: "Azure: client credentials", Fields: []field{
			{Name: "azureTenantId", Required: true}, {Name: "azureClientId", Required: true},
			{Name: "azureClientSecret", Required: true, Sensitive: true}, azureEnvironment,
		}},
		{Title: "Azure: client certificate", Fields: []field{
			{Name: "azureTenantId", Required: true}, {Name: "azureClientId", Required: true},
			{Name: "azureCertificate", Sensitive: true}, {Name: "azureCertificateFile"},
			{Name: "azureCertificatePassword", Sensitive: true}, azureEnvironment,
		}},
	},
	"gcp": {
		{Title: "Google Cloud: key of a service account", Fields: []field{
			{Name: "privateKeyID", Required: true, Sensitive: true}, {Name: "privateKey", Required: true, Sensitive: true},
			{Name: "type", Allowed: []string{"service_account"}}, {Name: "projectID", Required: true},
			{Name: "clientEmail", Required: true}, {Name: "clientID", Required: true},
			{Name: "authURI"}, {Name: "tokenURI"}, {Name: "authProviderX509CertURL"}, {Name: "clientX509CertURL"},
		}},
		// The profile that every client library has and the list leaves out: credentials of the machine or its environment.
		{Title: "Google Cloud: credentials of the environment"},
	},
}

var azureEnvironment = field{
	Name: "azureEnvironment", Allowed: []string{"AzurePublicCloud", "AzureChinaCloud", "AzureUSGovernmentCloud"},
}
