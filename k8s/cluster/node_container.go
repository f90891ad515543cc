package cluster

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecart/sidecart/k8s/cluster/sandbox"
)

// Image is what stands in for a container image: programs of this machine.
type Image struct {
	Files      map[string]string // path in the container → program
	Entrypoint string            // what runs when the container gives no command; a path in the container
	Dir        string            // where it starts; a volume's path
}

// execPath is where Exec shows its program in a container.
const execPath = "/exec"

// container translates what the pod says of a container.
func (n *Node) container(ctx context.Context, p *RunningPod, c corev1.Container) (sandbox.Container, error) {
	run := sandbox.Container{Name: c.Name}
	env, err := n.environment(ctx, p, c)
	if err != nil {
		return run, err
	}
	name, _, _ := strings.Cut(c.Image, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name = name[:i]
	}
	image, known := n.images[name]
	if !known {
		return run, fmt.Errorf("image %s: this node has only %s", c.Image, strings.Join(slices.Sorted(maps.Keys(n.images)), ", "))
	}
	run.Dir, run.Args = image.Dir, slices.Concat(c.Command, c.Args)
	// Dapr's injector gives the program as the first argument: its image has no entry point.
	if len(c.Command) == 0 && image.Entrypoint != "" {
		run.Args = slices.Insert(run.Args, 0, image.Entrypoint)
	}
	for i, arg := range run.Args {
		run.Args[i] = expand(arg, env)
	}
	for _, key := range slices.Sorted(maps.Keys(env)) {
		run.Env = append(run.Env, key+"="+env[key])
	}
	for in, from := range image.Files {
		run.Mounts = append(run.Mounts, sandbox.Mount{From: from, To: in, ReadOnly: true})
	}
	for _, m := range c.VolumeMounts {
		from, err := n.volume(ctx, p, m.Name)
		if err != nil {
			return run, fmt.Errorf("volume %s: %w", m.Name, err)
		}
		run.Mounts = append(run.Mounts, sandbox.Mount{From: filepath.Join(from, m.SubPath), To: m.MountPath, ReadOnly: m.ReadOnly})
	}
	if sc := c.SecurityContext; sc != nil && sc.ReadOnlyRootFilesystem != nil {
		run.ReadOnlyRoot = *sc.ReadOnlyRootFilesystem
	}
	if sandbox.ManyUsers() {
		run.User, run.Group = user(p.Object.Spec, c)
	}
	return run, nil
}

// Exec runs a program of this machine in the place of a container, with its environment, volumes, user and network, and answers what it
// printed.
func (n *Node) Exec(ctx context.Context, p *RunningPod, c corev1.Container, program string, args ...string) (string, error) {
	run, err := n.container(ctx, p, c)
	if err != nil {
		return "", err
	}
	n.execs++
	run.Name = fmt.Sprintf("exec-%d", n.execs)
	run.Args, run.Dir = append([]string{execPath}, args...), ""
	run.Mounts = append(run.Mounts, sandbox.Mount{From: program, To: execPath, ReadOnly: true})
	process, err := p.net.Run(p.dir, run)
	if err != nil {
		return "", err
	}
	said, err := process.Wait(ctx)
	if err != nil {
		return "", fmt.Errorf("in pod %s: %w: %s", p.Object.Name, err, said)
	}
	return said, nil
}

// Beside starts one more program in a pod's network.
func (p *RunningPod) Beside(c sandbox.Container) error {
	process, err := p.net.Run(p.dir, c)
	if err != nil {
		return err
	}
	p.beside = append(p.beside, process)
	return nil
}

// user is whom a container runs as: its own word, the pod's, else what an image of Dapr's and of ours says.
func user(pod corev1.PodSpec, c corev1.Container) (uid, gid int) {
	uid, gid = 65532, 65532
	if sc := pod.SecurityContext; sc != nil {
		if sc.RunAsUser != nil {
			uid = int(*sc.RunAsUser)
		}
		if sc.RunAsGroup != nil {
			gid = int(*sc.RunAsGroup)
		}
	}
	if sc := c.SecurityContext; sc != nil {
		if sc.RunAsUser != nil {
			uid = int(*sc.RunAsUser)
		}
		if sc.RunAsGroup != nil {
			gid = int(*sc.RunAsGroup)
		}
	}
	return uid, gid
}
