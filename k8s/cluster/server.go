package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/sidecart/sidecart/k8s/cluster/sandbox"
)

const (
	startWithin = 2 * time.Minute // a program may take this long to be ready on a busy machine
	stopWithin  = 10 * time.Second
	pollEvery   = 100 * time.Millisecond

	etcdURL     = "http://" + sandbox.Bridge + ":2379"
	serverURL   = "https://" + sandbox.Bridge + ":6443"
	serviceNet  = "10.96.0.0/16"
	accountsURL = "https://kubernetes.default.svc" // names who issues the tokens of service accounts; nobody fetches it
)

// Server is a Kubernetes control plane without nodes: etcd, the API server and the controllers, in the sandbox's network.
type Server struct {
	Client     *kubernetes.Clientset
	Kubeconfig string // file of an administrator

	bin, dir  string
	processes []*sandbox.Process
}

// StartServer starts it with programs of the folder bin and keeps its data and logs in dir. The caller stops it.
func StartServer(ctx context.Context, bin, dir string) (s *Server, err error) {
	s = &Server{bin: bin, dir: dir, Kubeconfig: filepath.Join(dir, "kubeconfig")}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	k, err := makeKeys(dir)
	if err != nil {
		return s, err
	}
	config, err := s.writeKubeconfig(k)
	if err != nil {
		return s, err
	}
	config.QPS, config.Burst = -1, 0 // no limit: the server is ours alone
	if s.Client, err = kubernetes.NewForConfig(config); err != nil {
		return s, err
	}
	if err := s.run(ctx, "etcd", func(ctx context.Context) error { return Answers(ctx, etcdURL+"/readyz") }, []string{
		"--data-dir=" + filepath.Join(dir, "etcd"), "--name=one",
		"--listen-client-urls=" + etcdURL, "--advertise-client-urls=" + etcdURL,
		"--listen-peer-urls=http://127.0.0.1:0",
		"--unsafe-no-fsync", // the data ends with the test
		"--logger=zap", "--log-level=warn",
	}); err != nil {
		return s, err
	}
	if err := s.run(ctx, "kube-apiserver", s.ready, []string{
		"--etcd-servers=" + etcdURL, "--etcd-prefix=/registry",
		"--bind-address=" + sandbox.Bridge, "--advertise-address=" + sandbox.Bridge, "--secure-port=6443",
		"--tls-cert-file=" + k.cert, "--tls-private-key-file=" + k.key, "--cert-dir=" + dir,
		"--token-auth-file=" + k.tokens, "--authorization-mode=RBAC", "--anonymous-auth=false",
		"--service-account-issuer=" + accountsURL,
		"--service-account-key-file=" + k.accounts, "--service-account-signing-key-file=" + k.accounts,
		"--service-cluster-ip-range=" + serviceNet,
		"--endpoint-reconciler-type=none",
		"--allow-privileged=true", // Pod Security alone is to refuse a pod
		// There is no proxy on a node that would lead a webhook's Service to its endpoints: the server does it itself.
		"--enable-aggregator-routing=true",
	}); err != nil {
		return s, err
	}
	return s, s.run(ctx, "kube-controller-manager", s.controlled, []string{
		"--kubeconfig=" + s.Kubeconfig, "--use-service-account-credentials=true",
		"--service-account-private-key-file=" + k.accounts, "--root-ca-file=" + k.ca,
		"--bind-address=127.0.0.1", "--cert-dir=" + dir, "--leader-elect=false",
		"--horizontal-pod-autoscaler-sync-period=1s",
		"--controllers=*,-node-lifecycle-controller", // our node sends no signs of life
	})
}

// writeKubeconfig writes the file and answers the same as a client's configuration.
func (s *Server) writeKubeconfig(k keys) (*rest.Config, error) {
	file := api.NewConfig()
	file.Clusters["test"] = &api.Cluster{Server: serverURL, CertificateAuthority: k.ca}
	file.AuthInfos["admin"] = &api.AuthInfo{Token: k.adminToken}
	file.Contexts["test"] = &api.Context{Cluster: "test", AuthInfo: "admin"}
	file.CurrentContext = "test"
	if err := clientcmd.WriteToFile(*file, s.Kubeconfig); err != nil {
		return nil, err
	}
	return clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
}

// run starts a program of bin and waits until it is ready.
func (s *Server) run(ctx context.Context, name string, ready func(context.Context) error, args []string, env ...string) error {
	p, err := sandbox.Start(s.dir, name, filepath.Join(s.bin, name), args, append(env, "HOME="+s.dir, "PATH=/usr/bin:/bin"))
	if err != nil {
		return err
	}
	s.processes = append(s.processes, p)
	return readyWithin(ctx, p, startWithin, ready)
}

// readyWithin waits until the process is ready; it fails at once if it has ended.
func readyWithin(ctx context.Context, p *sandbox.Process, within time.Duration, ready func(context.Context) error) error {
	err := Eventually(ctx, within, func(ctx context.Context) error {
		if err := p.Ended(); err != nil {
			return Final(err)
		}
		return ready(ctx)
	})
	if err != nil {
		return fmt.Errorf("%s is not ready: %w\nthe end of what it said:\n%s", p.Name, err, p.Tail())
	}
	return nil
}

// ready asks the API server whether it is; it lets nobody ask without a name.
func (s *Server) ready(ctx context.Context) error {
	return s.Client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// controlled asks whether the controllers have done something: every namespace gets a service account.
func (s *Server) controlled(ctx context.Context) error {
	_, err := s.Client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
	return err
}

// Answers asks for a URL once and is satisfied with any answer of 200 to 299.
func Answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Final(err)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: new(net.Dialer).DialContext}}).Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("GET %s: %s", url, res.Status)
	}
	return nil
}

// Stop ends everything, the last started first.
func (s *Server) Stop() error {
	var wrong []error
	for i := len(s.processes) - 1; i >= 0; i-- {
		wrong = append(wrong, s.processes[i].Stop(stopWithin))
	}
	s.processes = nil
	return errors.Join(wrong...)
}

// HostsFile replaces /etc/hosts for everything in the sandbox and leaves it without a DNS server. The answer writes the file anew; a program
// sees the change within five seconds, or at its start.
func HostsFile(dir string) (write func(text string) error, err error) {
	hosts, resolv := filepath.Join(dir, "hosts"), filepath.Join(dir, "resolv.conf")
	for path, over := range map[string]string{hosts: "/etc/hosts", resolv: "/etc/resolv.conf"} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			return nil, err
		}
		if err := sandbox.Show(path, over); err != nil {
			return nil, err
		}
	}
	return func(text string) error {
		return os.WriteFile(hosts, []byte("127.0.0.1 localhost\n::1 localhost\n"+text), 0o644)
	}, nil
}
