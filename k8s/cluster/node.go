package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sidecart/sidecart/k8s/cluster/sandbox"
)

// Node runs pods when it is told to, in the sandbox: what a node's agent does, as far as the tests need it. Probes are asked until they
// answer once, and a container that ends is not started again. There is no scheduler, no proxy and no DNS: a pod that is placed is bound
// to the node, and the names of Services lead straight to the pods, through /etc/hosts. NetworkPolicies bind nobody.
// Its methods are to be called from one goroutine.
type Node struct {
	server *Server
	images map[string]Image // by name, without tag
	dir    string
	hosts  func(string) error
	names  map[string]string // name → address, of what is outside the cluster
	number int               // of the last pod
	execs  int
	pods   []*RunningPod
}

// RunningPod is a pod that a Node has given an address.
type RunningPod struct {
	Object     corev1.Pod
	dir        string
	net        *sandbox.Pod
	containers []*sandbox.Process // in the order of their start
	beside     []*sandbox.Process
}

// nodeName is the name of the one node.
const nodeName = "node"

// NewNode makes a node of the server that knows these images.
func NewNode(ctx context.Context, s *Server, dir string, images map[string]Image) (*Node, error) {
	hosts, err := HostsFile(dir)
	if err != nil {
		return nil, err
	}
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}
	if _, err := s.Client.CoreV1().Nodes().Create(ctx, object, metav1.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	return &Node{server: s, images: images, dir: dir, hosts: hosts, names: map[string]string{}}, nil
}

// Place binds pods to the node, gives each an address, and lets the names of Services lead to them.
func (n *Node) Place(ctx context.Context, pods ...corev1.Pod) ([]*RunningPod, error) {
	var placed []*RunningPod
	for _, pod := range pods {
		n.number++
		p := &RunningPod{Object: pod, dir: filepath.Join(n.dir, pod.Namespace, pod.Name)}
		if err := os.MkdirAll(p.dir, 0o755); err != nil {
			return nil, err
		}
		var err error
		if p.net, err = sandbox.NewPod(n.number, fmt.Sprintf("10.88.%d.%d", 1+n.number/250, 1+n.number%250)); err != nil {
			return nil, err
		}
		n.pods = append(n.pods, p)
		placed = append(placed, p)
		binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod.Name}, Target: corev1.ObjectReference{Kind: "Node", Name: nodeName}}
		if err := n.server.Client.CoreV1().Pods(pod.Namespace).Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
			return nil, fmt.Errorf("bind pod %s: %w", pod.Name, err)
		}
		if err := n.report(ctx, p, corev1.PodPending, corev1.ConditionFalse); err != nil {
			return nil, err
		}
	}
	return placed, n.writeHosts(ctx)
}

// Start starts the pods' containers, sidecars first, and waits until their probes have answered; then it reports the pods ready.
func (n *Node) Start(ctx context.Context, pods ...*RunningPod) error {
	for _, p := range pods {
		for _, c := range p.Containers() {
			if err := n.startContainer(ctx, p, c); err != nil {
				return fmt.Errorf("pod %s, container %s: %w", p.Object.Name, c.Name, err)
			}
		}
	}
	for _, p := range pods {
		if err := p.answersProbes(ctx); err != nil {
			return fmt.Errorf("pod %s: %w", p.Object.Name, err)
		}
		if err := n.report(ctx, p, corev1.PodRunning, corev1.ConditionTrue); err != nil {
			return err
		}
	}
	return nil
}

// IP is the pod's address.
func (p *RunningPod) IP() string { return p.net.IP }

// Folder makes a folder of the pod that everybody may write to, for Beside.
func (p *RunningPod) Folder(name string) (string, error) {
	dir := filepath.Join(p.dir, name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o777)
}

// Containers are a pod's containers that run together, in the order of their start.
func (p *RunningPod) Containers() []corev1.Container { return together(p.Object.Spec) }

func together(spec corev1.PodSpec) []corev1.Container {
	var all []corev1.Container
	for _, c := range spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			all = append(all, c)
		}
	}
	return append(all, spec.Containers...)
}

func (n *Node) startContainer(ctx context.Context, p *RunningPod, c corev1.Container) error {
	if len(together(p.Object.Spec)) != len(p.Object.Spec.InitContainers)+len(p.Object.Spec.Containers) {
		return errors.New("this node knows no init containers but sidecars")
	}
	run, err := n.container(ctx, p, c)
	if err != nil {
		return err
	}
	process, err := p.net.Run(p.dir, run)
	if err != nil {
		return err
	}
	p.containers = append(p.containers, process)
	return nil
}

// report tells the API server how the pod is.
func (n *Node) report(ctx context.Context, p *RunningPod, phase corev1.PodPhase, ready corev1.ConditionStatus) error {
	now := metav1.NewTime(time.Now())
	pod, err := n.server.Client.CoreV1().Pods(p.Object.Namespace).Get(ctx, p.Object.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	pod.Status.Phase, pod.Status.PodIP, pod.Status.PodIPs = phase, p.net.IP, []corev1.PodIP{{IP: p.net.IP}}
	pod.Status.StartTime = &now
	pod.Status.Conditions = nil
	for _, kind := range []corev1.PodConditionType{corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: kind, Status: ready, LastTransitionTime: now})
	}
	pod, err = n.server.Client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	if err != nil {
		return fmt.Errorf("report pod %s: %w", p.Object.Name, err)
	}
	p.Object = *pod
	return nil
}

// Name gives an address outside the cluster a name, for the pods that are placed from then on.
func (n *Node) Name(name, ip string) { n.names[name] = ip }

// writeHosts gives every Service the addresses of the pods that it selects.
func (n *Node) writeHosts(ctx context.Context) error {
	services, err := n.server.Client.CoreV1().Services("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(n.names)) {
		fmt.Fprintf(&text, "%s %s\n", n.names[name], name)
	}
	for _, s := range services.Items {
		if len(s.Spec.Selector) == 0 {
			continue
		}
		for _, p := range n.pods {
			if p.Object.Namespace == s.Namespace && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(p.Object.Labels)) {
				short := s.Name + "." + s.Namespace
				fmt.Fprintf(&text, "%s %s.svc.cluster.local %s.svc %s %s\n", p.net.IP, short, short, short, s.Name)
			}
		}
	}
	return n.hosts(text.String())
}

// Stop ends a namespace's pods, apps before their sidecars, tells the API server that they are gone, and forgets them.
func (n *Node) Stop(ctx context.Context, namespace string) error {
	var stopping []*RunningPod
	n.pods = slices.DeleteFunc(n.pods, func(p *RunningPod) bool {
		ends := p.Object.Namespace == namespace
		if ends {
			stopping = append(stopping, p)
		}
		return ends
	})
	wrong := make([]error, len(stopping))
	var all sync.WaitGroup
	for i, p := range stopping {
		all.Go(func() { wrong[i] = p.stop() })
	}
	all.Wait()
	now := int64(0)
	for _, p := range stopping {
		err := n.server.Client.CoreV1().Pods(namespace).Delete(ctx, p.Object.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
		if err != nil && !apierrors.IsNotFound(err) {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

func (p *RunningPod) stop() error {
	var wrong []error
	for _, c := range slices.Backward(append(p.beside, p.containers...)) {
		if err := c.Stop(stopWithin); err != nil {
			wrong = append(wrong, fmt.Errorf("pod %s: %w", p.Object.Name, err))
		}
	}
	p.net.Close()
	return errors.Join(wrong...)
}
