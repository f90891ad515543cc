package servers

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Server is a kind of store or broker that can be run privately.
type Server struct {
	Name string // of its process; also of its folder
	// Variable names the server in the environment of sidecars. A set that reads it needs the server; an environment that
	// has it brings its own.
	Variable string
	// late says that our sidecars start while it is away (daprd/latebroker).
	late     bool
	programs []program
	version  func(path string) string // of the installation that the first program belongs to; "" if it cannot be told
	plan     func(p *place) ([]Process, map[string]string, error)
}

// Process is how one process of a server is run.
type Process struct {
	Name    string
	Version string // such as "Redis 7.0.15"; empty for helpers and where it cannot be told
	URL     string // where it listens, without a password
	Port    int    // of URL
	Dir     string // working directory
	Argv    []string
	Env     []string       // besides the runner's own
	User    *User          // nil: the runner's own
	Stop    syscall.Signal // asks it to stop in order, whoever is still connected
	Late    bool           // our sidecars start while it is away
	// Setup makes ready what the process needs on disk; called before every start, so it looks whether that is there. May be nil.
	Setup func(ctx context.Context) error
	// Ready asks once whether the server takes requests now, in its own protocol.
	Ready func(ctx context.Context) error
}

// Where says what a private server may use.
type Where struct {
	Dir      string              // of all servers of a shop; absolute, exists
	Programs string              // folder of this project's own programs
	Port     func() (int, error) // takes a free loopback port
	Topics   []string            // that a broker should have from the start
}

var catalog = []Server{redis, postgres, mariadb, rabbitmq, mosquitto, kafka}

// Needed lists the private servers that a set needs, in the order in which they are best started. lookup gives a variable of the
// environment that sidecars will have, empty if it is not set.
func Needed(set Set, lookup func(string) string) []Server {
	return slices.DeleteFunc(slices.Clone(catalog), func(s Server) bool {
		return !set.reads(s.Variable) || lookup(s.Variable) != ""
	})
}

// Check looks whether this machine has what the private servers of a set's folder need; if not, the error is a *MissingError. own
// are the programs that are this project's own, which Check does not look for: they can be built.
func Check(set string, lookup func(string) string) (own []string, err error) {
	read, err := ReadSet(set)
	if err != nil {
		return nil, err
	}
	for _, s := range Needed(read, lookup) {
		for _, p := range s.programs {
			if p.pkg == "" {
				own = append(own, p.name)
				continue
			}
			if _, err := p.find(s, ""); err != nil {
				return own, err
			}
		}
	}
	return own, nil
}

// Version is the version of what is installed here, such as "Redis 7.0.15"; empty if it is missing or does not tell.
func (s Server) Version(programs string) string {
	if s.version == nil {
		return ""
	}
	path, err := s.programs[0].find(s, programs)
	if err != nil {
		return ""
	}
	return s.version(path)
}

// Plan works out the server's processes and the variables that lead sidecars to it, addresses and passwords. It writes the server's
// folder (configuration, a password at the first time) and starts nothing.
func (s Server) Plan(w Where) ([]Process, map[string]string, error) {
	p := &place{Where: w, server: s, dir: filepath.Join(w.Dir, s.Name), found: map[string]string{}}
	for _, prog := range s.programs {
		path, err := prog.find(s, w.Programs)
		if err != nil {
			return nil, nil, err
		}
		p.found[prog.name] = path
	}
	if err := os.MkdirAll(p.dir, privateDir); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	processes, variables, err := s.plan(p)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	for i := range processes {
		processes[i].Dir = p.workingDir()
		processes[i].Late = s.late
		if processes[i].Name == s.Name {
			processes[i].Version = s.Version(w.Programs)
		}
	}
	return processes, variables, nil
}

// WriteEnv writes variables to a file that a shell can read, for people who want to look at a server by themselves.
func WriteEnv(path string, variables map[string]string) error {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		fmt.Fprintf(&b, "export %s='%s'\n", name, strings.ReplaceAll(variables[name], "'", `'\''`))
	}
	return writePrivate(path, b.String(), nil)
}
