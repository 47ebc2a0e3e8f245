package plugin

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/internal/inventory"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

// completionPatience is how long the shell waits for what only the engine knows.
const completionPatience = time.Second

// complete gives every command its completion: of arguments as its usage line names them, of flags by their names.
func complete(env *command.Environment, root *cobra.Command) {
	completion{env}.attach(root)
}

// completion answers what a shell asks for. Where something fails it has no answer: a message would end up in the line
// that is being typed.
type completion struct{ env *command.Environment }

func (c completion) attach(cmd *cobra.Command) {
	c.flags(cmd)
	if !cmd.HasSubCommands() || cmd.Name() == "agent" {
		cmd.ValidArgsFunction = c.arguments(cmd)
	}
	for _, sub := range cmd.Commands() {
		c.attach(sub)
	}
}

// Arguments of usage lines.
const (
	argID      = "ID"
	argService = "SERVICE"
	argPort    = "PORT"
	argPath    = "PATH" // of the host, or SERVICE:PATH
	argHost    = "HOST" // that a sandbox's proxy refused
	argOther   = ""     // of a program, or unknown
)

// grammar reads the arguments off a usage line such as logs [OPTIONS] [ID] [SERVICE...]. Where many is true the last
// one
// may be repeated.
func grammar(usage string) (places []string, many bool) {
	line, _, _ := strings.Cut(usage, "\n")
	for _, word := range strings.Fields(line)[1:] {
		name := strings.Trim(word, "[].")
		switch {
		case name == "OPTIONS":
			continue
		case word == "--":
			// Behind it stands a command that may need no --.
			return append(places, argOther), true
		case strings.Contains(word, "_PATH"):
			name = argPath
		case name == "SERVICE|PORT":
			name = argService
		case name != argID && name != argService && name != argPort && name != argHost:
			name = argOther
		}
		places, many = append(places, name), strings.Contains(word, "...")
	}
	return places, many
}

func (c completion) arguments(cmd *cobra.Command) cobra.CompletionFunc {
	places, many := grammar(cmd.Use)
	return func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(places) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		// Of a -- before the first word cobra keeps nothing, and it adds one of its own.
		if slices.Contains(places, argOther) && slices.Contains(c.env.Args, "--") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		id, at := "", len(args)
		// A first argument that is not a loom takes the place behind the id.
		elided := len(places) > 1 && places[0] == argID && len(args) > 0 && !c.known(args[0])
		switch {
		case elided:
			at++
		case places[0] == argID && len(places) > 1 && len(args) > 0:
			id = args[0]
		}
		if at >= len(places) {
			if !many {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			at = len(places) - 1
		}
		return c.argument(cmd, typedArgument{places: places, at: at, id: id, args: args, typed: typed})
	}
}

// typedArgument is the argument that is being typed: its place on the usage line, and what stands before it.
type typedArgument struct {
	places    []string
	at        int
	id, typed string
	args      []string
}

// argument completes one argument by its place.
func (c completion) argument(cmd *cobra.Command, a typedArgument) ([]string, cobra.ShellCompDirective) {
	var list []string
	if a.places[a.at] == argID {
		list = c.ids(a.typed)
		if a.at == 0 && len(a.places) > 1 {
			// The id may be left out.
			a.at++
		}
	}
	switch a.places[a.at] {
	case argService:
		list = append(list, c.services(a.id)...)
	case argPort:
		list = c.ports(a.id, a.args[len(a.args)-1])
	case argHost:
		list = append(list, c.hosts(cmd, a.id)...)
	case argPath:
		return c.paths(list, a.id, a.typed)
	case argOther:
		if len(list) == 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
	}
	return without(list, a.args), cobra.ShellCompDirectiveNoFileComp
}

// without leaves out what stands in the line already.
func without(list, args []string) []string {
	return slices.DeleteFunc(list, func(s string) bool {
		value, _, _ := strings.Cut(s, "\t")
		return slices.Contains(args, value)
	})
}

// looms opens the registry, and with the engine connects to it, for a look that counts as no use and says nothing.
func (c completion) looms(withEngine bool) (*loom.Looms, error) {
	logrus.SetOutput(io.Discard)
	var e *engine.Engine
	if withEngine {
		var err error
		if e, err = c.env.Engine(); err != nil {
			return nil, err
		}
	}
	l, err := c.env.LoomsOn(e)
	if err != nil {
		return nil, err
	}
	// What would set a damaged registry aside has to say so.
	if _, err := inventory.Remembered(l); err != nil {
		return nil, err
	}
	l.InUse.Unnoticed, l.Teller = true, tell.Nowhere()
	return l, nil
}

// here are the looms, and the folder that the user is in.
func (c completion) here(withEngine bool) (l *loom.Looms, where loom.Where, err error) {
	if l, err = c.looms(withEngine); err == nil {
		where, err = c.env.Where(nil)
	}
	return l, where, err
}

// patiently waits for an answer no longer than a shell should, also where the engine swallows what it is asked.
func patiently[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, bool) {
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	answer := make(chan T, 1)
	go func() {
		if v, err := ask(ctx); err == nil {
			answer <- v
		} else {
			cancel()
		}
	}()
	select {
	case v := <-answer:
		return v, true
	case <-ctx.Done():
		var none T
		return none, false
	}
}

// listed are the looms as the engine has them, otherwise as the registry does.
func (c completion) listed() []inventory.Listed {
	list, ok := patiently(c.env.Signals, func(ctx context.Context) ([]inventory.Listed, error) {
		l, err := c.looms(true)
		if err != nil {
			return nil, err
		}
		return inventory.List(ctx, l, "")
	})
	if !ok {
		list = c.remembered()
	}
	return list
}

func (c completion) remembered() []inventory.Listed {
	l, err := c.looms(false)
	if err != nil {
		return nil
	}
	list, err := inventory.Remembered(l)
	if err != nil {
		return nil
	}
	return list
}

// repository is that of the current folder.
func (c completion) repository() string {
	l, where, err := c.here(false)
	if err != nil {
		return ""
	}
	repository, err := l.Finder().RepositoryPath(c.env.Signals, where.Source)
	if err != nil {
		return ""
	}
	return repository
}

// known reports whether an argument is a loom, of this repository or, as shop/123, of another.
func (c completion) known(arg string) bool {
	id, err := loom.ParseID(arg)
	if err != nil {
		return false
	}
	repository := c.repository()
	return slices.ContainsFunc(c.remembered(), func(l inventory.Listed) bool {
		return l.Repository == repository && l.ID == id || l.Name() == arg
	})
}

// ids are the looms of this repository by id. Those of others stand as shop/123 where this one has none, and where
// something is typed.
func (c completion) ids(typed string) []string {
	repository := c.repository()
	var here, elsewhere []string
	for _, l := range c.listed() {
		said := output.Tilde(l.WorkTree)
		if l.State != "unknown" {
			said = strings.TrimSuffix(l.State+", "+said, ", ")
		}
		if l.Repository == repository {
			here = append(here, l.ID+"\t"+said)
		} else {
			elsewhere = append(elsewhere, l.Name()+"\t"+said)
		}
	}
	if len(here) > 0 && typed == "" {
		return here
	}
	return append(here, elsewhere...)
}

// services are those of a loom; of this folder's without an id.
func (c completion) services(id string) []string {
	names, _ := patiently(c.env.Signals, func(ctx context.Context) ([]string, error) {
		l, where, err := c.here(true)
		if err != nil {
			return nil, err
		}
		where.ID = id
		return inside.ServicesInFiles(ctx, l, where)
	})
	return names
}

// ports are the published ports of a service, as its container has them.
func (c completion) ports(id, service string) []string {
	list, _ := patiently(c.env.Signals, func(ctx context.Context) ([]string, error) {
		l, where, err := c.here(true)
		if err != nil {
			return nil, err
		}
		where.ID = id
		r, err := inventory.Ps(ctx, l, where)
		if err != nil {
			return nil, err
		}
		var list []string
		for _, project := range r.Projects {
			for _, p := range project.Ports {
				if p.Service == service {
					list = append(list, strconv.Itoa(p.Target)+"\t"+cmp.Or(p.URL, output.Address(p)))
				}
			}
		}
		return list, nil
	})
	return list
}

// paths are what cp takes: files of the host, or a service with a colon. Behind that nothing is known.
func (c completion) paths(list []string, id, typed string) ([]string, cobra.ShellCompDirective) {
	if strings.ContainsAny(typed, "/.") || strings.Contains(typed, ":") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	for _, name := range c.services(id) {
		list = append(list, name+":")
	}
	return list, cobra.ShellCompDirectiveNoSpace
}

// agents are the names that the settings give agents.
func (c completion) agents() []string {
	l, where, err := c.here(false)
	if err != nil {
		return nil
	}
	names, err := agent.New(l).Names(c.env.Signals, where.Source)
	if err != nil {
		return nil
	}
	return names
}

// hosts are those that the proxy of the sandbox refused.
func (c completion) hosts(cmd *cobra.Command, id string) []string {
	hosts, _ := patiently(c.env.Signals, func(ctx context.Context) ([]string, error) {
		l, where, err := c.here(true)
		if err != nil {
			return nil, err
		}
		where.ID = id
		return agent.New(l).DeniedHosts(ctx, where, cmd.Flag("agent").Value.String())
	})
	return hosts
}
