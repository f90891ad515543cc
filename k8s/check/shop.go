package check

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	components "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	configuration "github.com/dapr/dapr/pkg/apis/configuration/v1alpha1"
	resiliency "github.com/dapr/dapr/pkg/apis/resiliency/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/resource"
)

// Object is one object of an overlay.
type Object struct {
	Kind, Name string
	File       string // the file that has it, before patches; relative to the repository's root
	Value      any    // a pointer to the API's type
}

// String is how findings name it.
func (o Object) String() string { return o.Kind + "/" + o.Name }

// Shop is what an overlay says, with every pod as Dapr's injector leaves it.
type Shop struct {
	Overlay string // its folder, relative to the repository's root
	Objects []Object
	Pods    []Pod // of Deployments and StatefulSets, in the order of Objects
	root    string
	disk    edited
}

// kinds are all that may be in an overlay: apiVersion and kind, and the type that they decode into.
var kinds = map[string]func() any{
	"v1 ConfigMap":      func() any { return &corev1.ConfigMap{} },
	"v1 Namespace":      func() any { return &corev1.Namespace{} },
	"v1 Secret":         func() any { return &corev1.Secret{} },
	"v1 Service":        func() any { return &corev1.Service{} },
	"v1 ServiceAccount": func() any { return &corev1.ServiceAccount{} },

	"apps/v1 Deployment":                     func() any { return &appsv1.Deployment{} },
	"apps/v1 StatefulSet":                    func() any { return &appsv1.StatefulSet{} },
	"autoscaling/v2 HorizontalPodAutoscaler": func() any { return &autoscalingv2.HorizontalPodAutoscaler{} },
	"networking.k8s.io/v1 Ingress":           func() any { return &networkingv1.Ingress{} },
	"networking.k8s.io/v1 NetworkPolicy":     func() any { return &networkingv1.NetworkPolicy{} },
	"policy/v1 PodDisruptionBudget":          func() any { return &policyv1.PodDisruptionBudget{} },

	"dapr.io/v1alpha1 Component":             func() any { return &components.Component{} },
	"dapr.io/v1alpha1 Configuration":         func() any { return &configuration.Configuration{} },
	"dapr.io/v1alpha1 Resiliency":            func() any { return &resiliency.Resiliency{} },
	"gateway.networking.k8s.io/v1 HTTPRoute": func() any { return &gatewayv1.HTTPRoute{} },
}

// Load builds an overlay with the edits made and decodes every object. Its error names every field that the APIs do not know, with
// the object and the file, or says why the overlay does not build.
func Load(root, overlay string, edits ...Edit) (*Shop, error) {
	root, err := filepath.Abs(root) // as kustomize asks for files
	if err != nil {
		return nil, err
	}
	disk, err := newEdited(root, edits)
	if err != nil {
		return nil, err
	}
	built, err := build(root, overlay, disk)
	if err != nil {
		return nil, err
	}
	shop := &Shop{Overlay: overlay, root: root, disk: disk}
	var wrong []error
	for _, r := range built.Resources() {
		object, err := decode(overlay, r)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		shop.Objects = append(shop.Objects, object)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return shop, shop.inject()
}

func decode(overlay string, r *resource.Resource) (Object, error) {
	object := Object{Kind: r.GetKind(), Name: r.GetName()}
	if origin, err := r.GetOrigin(); err == nil && origin != nil {
		from := origin.Path
		if from == "" {
			from = origin.ConfiguredIn // generated: the kustomization that says so
		}
		object.File = path.Join(overlay, from)
	}
	at := func(err error) error { return fmt.Errorf("%s: %s: %w", object.File, object, err) }
	if err := r.SetOrigin(nil); err != nil { // it is ours, not the overlay's
		return object, at(err)
	}
	text, err := r.MarshalJSON()
	if err != nil {
		return object, at(err)
	}
	empty, known := kinds[r.GetApiVersion()+" "+r.GetKind()]
	if !known {
		return object, at(fmt.Errorf("no kind that these checks know: %s %s", r.GetApiVersion(), r.GetKind()))
	}
	object.Value = empty()
	strict, err := json.UnmarshalStrict(text, object.Value)
	if err = errors.Join(append(strict, err)...); err != nil {
		return object, at(errors.New(strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	return object, nil
}

// of lists the objects of a type.
func of[T any](s *Shop) []item[T] {
	var list []item[T]
	for _, o := range s.Objects {
		if value, ok := o.Value.(*T); ok {
			list = append(list, item[T]{o, value})
		}
	}
	return list
}

// item is an object with its type known.
type item[T any] struct {
	Object
	v *T
}

// named gives the object of a type and name, nil if there is none.
func named[T any](s *Shop, name string) *T {
	for _, i := range of[T](s) {
		if i.Name == name {
			return i.v
		}
	}
	return nil
}
