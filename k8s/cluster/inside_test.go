package cluster_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/dapr/dapr/cmd/daprd/options"
	components "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	resiliency "github.com/dapr/dapr/pkg/apis/resiliency/v1alpha1"
	"github.com/dapr/dapr/pkg/healthz"
	"github.com/dapr/dapr/pkg/modes"
	operator "github.com/dapr/dapr/pkg/operator/client"
	operatorv1 "github.com/dapr/dapr/pkg/proto/operator/v1"
	"github.com/dapr/dapr/pkg/security"
	"github.com/dapr/kit/logger"
)

// insideWithin bounds what is done in a pod.
const insideWithin = 30 * time.Second

// handed is what the operator gives a sidecar that starts.
type handed struct {
	Identity      string
	Components    map[string]handedComponent
	Configuration json.RawMessage // the specification
	Resiliencies  []string
}

// handedComponent is one component of it.
type handedComponent struct {
	Type       string
	FromSecret map[string]string // field that a Secret is to fill → hash of its value
}

// reply is what somebody answered to a call made from inside a pod.
type reply struct {
	Status int
	Body   string
}

// insidePart is the part of this program when a test runs it in a pod: the first argument names it.
func insidePart() (part func() int, ok bool) {
	if len(os.Args) < 2 {
		return nil, false
	}
	parts := map[string]func(context.Context, []string) (any, error){"as-sidecar": asSidecar, "call": call}
	do, ok := parts[os.Args[1]]
	return func() int {
		ctx, cancel := context.WithTimeout(context.Background(), insideWithin)
		defer cancel()
		answer, err := do(ctx, os.Args[2:])
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(answer)
		}
		if err != nil {
			fmt.Println(err)
			return 1
		}
		return 0
	}, ok
}

// asSidecar does with a sidecar's arguments what the sidecar does first: it gets an identity from sentry and, as such, everything that
// the operator has for it.
func asSidecar(ctx context.Context, args []string) (any, error) {
	opts, err := options.New(args)
	if err != nil {
		return nil, err
	}
	opts.Logger.OutputLevel = "fatal" // only the answer may be on standard output
	if err := logger.ApplyOptionsToLoggers(&opts.Logger); err != nil {
		return nil, err
	}
	identity, err := security.New(ctx, security.Options{
		SentryAddress: opts.SentryAddress, ControlPlaneTrustDomain: opts.ControlPlaneTrustDomain, ControlPlaneNamespace: opts.ControlPlaneNamespace,
		TrustAnchors: opts.TrustAnchors, AppID: opts.AppID, MTLSEnabled: opts.EnableMTLS, Mode: modes.DaprMode(opts.Mode), Healthz: healthz.New(),
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		failed <- identity.Run(ctx)
		cancel()
	}()
	handler, err := identity.Handler(ctx)
	if err != nil {
		return nil, errors.Join(err, <-failed)
	}
	client, conn, err := operator.GetOperatorClient(ctx, opts.ControlPlaneAddress, handler)
	if err != nil {
		return nil, fmt.Errorf("operator: %w", err)
	}
	defer func() { _ = conn.Close() }()
	return everythingFrom(ctx, client, handler.ID().String(), opts.Config[0])
}

func everythingFrom(ctx context.Context, client operatorv1.OperatorClient, identity, configuration string) (handed, error) {
	got := handed{Identity: identity, Components: map[string]handedComponent{}}
	namespace := os.Getenv("NAMESPACE")
	list, err := client.ListComponents(ctx, &operatorv1.ListComponentsRequest{Namespace: namespace})
	if err != nil {
		return got, fmt.Errorf("components: %w", err)
	}
	for _, raw := range list.GetComponents() {
		var c components.Component
		if err := json.Unmarshal(raw, &c); err != nil {
			return got, err
		}
		one := handedComponent{Type: c.Spec.Type, FromSecret: map[string]string{}}
		for _, field := range c.Spec.Metadata {
			if field.SecretKeyRef.Name == "" {
				continue
			}
			// The operator encodes what it takes from a Secret; a default stays as it is.
			if value, err := base64.StdEncoding.DecodeString(field.Value.String()); err == nil {
				one.FromSecret[field.Name] = hash(string(value))
			}
		}
		got.Components[c.Name] = one
	}
	config, err := client.GetConfiguration(ctx, &operatorv1.GetConfigurationRequest{Name: configuration, Namespace: namespace})
	if err != nil {
		return got, fmt.Errorf("configuration %s: %w", configuration, err)
	}
	var spec struct{ Spec json.RawMessage }
	if err := json.Unmarshal(config.GetConfiguration(), &spec); err != nil {
		return got, err
	}
	got.Configuration = spec.Spec
	policies, err := client.ListResiliency(ctx, &operatorv1.ListResiliencyRequest{Namespace: namespace})
	if err != nil {
		return got, fmt.Errorf("resiliencies: %w", err)
	}
	for _, raw := range policies.GetResiliencies() {
		var r resiliency.Resiliency
		if err := json.Unmarshal(raw, &r); err != nil {
			return got, err
		}
		got.Resiliencies = append(got.Resiliencies, r.Name)
	}
	return got, nil
}

// hash stands for a secret in what a test prints.
func hash(secret string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(secret))) }

// call sends one request, with the token for the pod's sidecar: METHOD URL [BODY].
func call(ctx context.Context, args []string) (any, error) {
	var body []byte
	if len(args) > 2 {
		body = []byte(args[2])
	}
	req, err := http.NewRequestWithContext(ctx, args[0], args[1], bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("dapr-api-token", os.Getenv("DAPR_API_TOKEN"))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	return reply{res.StatusCode, string(said)}, err
}
