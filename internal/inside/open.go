package inside

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/report"
	"github.com/docker-loom/docker-loom/internal/settings"
)

// Ports finds the published ports of looms.
type Ports struct{ Looms *loom.Looms }

// Published lists the host ports of a loom's running containers. A loom without containers is a [*loom.EmptyError].
func (l *Ports) Published(ctx context.Context, t *loom.Target) ([]loom.Port, error) {
	if err := l.Looms.Engine.Check(ctx); err != nil {
		return nil, err
	}
	own, err := l.Looms.Engine.Containers(ctx, engine.Filter{Project: t.Known.Project})
	if err != nil {
		return nil, err
	}
	if len(own) == 0 {
		return nil, &loom.EmptyError{ID: t.ID}
	}
	return report.PublishedPorts(l.Looms.Engine, t.ID, own), nil
}

// WebError says that the loom has no web port, or several.
type WebError struct {
	Loom string
	// Asked is the service or port that was named, empty for none.
	Asked string
	// Ports are the web ports: all, or those of what was asked.
	Ports []loom.Port
	// None reports that what was asked has no web port. Ports are then all of the loom's.
	None bool
}

// Error lists the ports.
func (e *WebError) Error() string {
	var list []string
	for _, p := range e.Ports {
		list = append(list, fmt.Sprintf("%s (container port %d, %s)", p.Service, p.Target, p.URL))
	}
	what := "loom " + e.Loom
	if e.Asked != "" {
		what = fmt.Sprintf("%s of loom %s", e.Asked, e.Loom)
	}
	switch {
	case len(list) == 0:
		return what + " has no running web port"
	case e.None:
		return fmt.Sprintf("%s has no running web port; there is %s", what, strings.Join(list, ", "))
	}
	return fmt.Sprintf("%s has several web ports: %s", what, strings.Join(list, ", "))
}

// NextStep says what the user does next.
func (e *WebError) NextStep() string {
	if len(e.Ports) > 0 {
		return "docker loom open " + e.Loom + " " + WordFor(e.Ports[0], e.Ports) + " opens one of them"
	}
	return "docker loom ps " + e.Loom + " shows what runs"
}

// WordFor names one of several ports as open takes it: by its service, or by the host's port if the service has more.
func WordFor(p loom.Port, among []loom.Port) string {
	for _, o := range among {
		if o.Service == p.Service && o != p {
			return strconv.Itoa(p.Published)
		}
	}
	return find.ShellWord(p.Service)
}

// Choose finds the project whose web port is meant: that of the folder or the command line, otherwise the only one that
// has the port or service that was asked. If nothing was asked, it is the oldest that has a web port.
func (l *Ports) Choose(ctx context.Context, where loom.Where, asked string) (*loom.Target, error) {
	t, err := l.Looms.Finder().Resolve(ctx, where, loom.Reading)
	if !errors.As(err, new(*find.SeveralProjectsError)) {
		return t, err
	}
	var matching []*loom.Target
	for _, k := range t.Projects {
		of := t.Of(k)
		list, publishedErr := l.Published(ctx, of)
		if errors.As(publishedErr, new(*loom.EmptyError)) {
			continue
		}
		if publishedErr != nil {
			return nil, publishedErr
		}
		if asked != "" {
			list = matchingPorts(list, asked)
		}
		if len(webPorts(list, 0, nil)) > 0 {
			matching = append(matching, of)
		}
	}
	if len(matching) == 0 || asked != "" && len(matching) > 1 {
		return nil, err
	}
	return matching[0], nil
}

// matchingPorts are the ports of a service, or with a container or host port.
func matchingPorts(list []loom.Port, asked string) []loom.Port {
	var matching []loom.Port
	for _, p := range list {
		if p.Service == asked || strconv.Itoa(p.Target) == asked || strconv.Itoa(p.Published) == asked {
			matching = append(matching, p)
		}
	}
	return matching
}

// Web finds the one web port of a loom: of the service, or with the container or host port, that is asked, otherwise
// the project's only one. If there is none, or more than one, the error is a *WebError.
func (l *Ports) Web(ctx context.Context, t *loom.Target, asked string) (loom.Port, error) {
	list, err := l.Published(ctx, t)
	if err != nil {
		return loom.Port{}, err
	}
	if asked == "" {
		base := 0
		// The base is only a preference: a running loom opens without settings too.
		if set, err := settings.Read(settings.Sources{User: l.Looms.UserSettings, WorkTree: t.WorkTree}); err == nil {
			base = set.WebBase()
		}
		web := webPorts(list, base, t.Known.Ports)
		if len(web) == 1 {
			return web[0], nil
		}
		return loom.Port{}, &WebError{Loom: t.ID, Ports: web}
	}
	web := webPorts(matchingPorts(list, asked), 0, nil)
	switch len(web) {
	case 0:
		return loom.Port{}, &WebError{Loom: t.ID, Asked: asked, Ports: webPorts(list, 0, nil), None: true}
	case 1:
		return web[0], nil
	}
	return loom.Port{}, &WebError{Loom: t.ID, Asked: asked, Ports: web}
}

// SilentError says that nothing answered on a port in time.
type SilentError struct {
	Loom    string
	Port    loom.Port
	Timeout time.Duration
}

// Error names the URL.
func (e *SilentError) Error() string {
	return fmt.Sprintf("service %s: nobody answers at %s after %s", e.Port.Service, e.Port.URL, e.Timeout)
}

// NextStep says what the user does next.
func (e *SilentError) NextStep() string {
	return fmt.Sprintf("docker loom logs %s %s shows what it is doing", e.Loom, e.Port.Service)
}

// Await returns when a program answers on the port. waiting is called once if none does at first.
func (l *Ports) Await(ctx context.Context, t *loom.Target, p loom.Port, timeout time.Duration, waiting func()) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if host.Answers(limited, p.DialAddress(l.Looms.Engine)) {
			return nil
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-tick.C:
		case <-limited.Done():
			if err := ctx.Err(); err != nil {
				return err
			}
			return &SilentError{t.ID, p, timeout}
		}
	}
}

// AddressError says that a service does not publish a port.
type AddressError struct {
	Loom, Service, Port string
	Published           []loom.Port // what the service does publish
}

// Error lists what the service publishes.
func (e *AddressError) Error() string {
	var list []string
	for _, p := range e.Published {
		list = append(list, fmt.Sprintf("%d/%s", p.Target, p.Protocol))
	}
	if len(list) == 0 {
		return fmt.Sprintf("service %s of loom %s publishes no port now", e.Service, e.Loom)
	}
	return fmt.Sprintf("service %s of loom %s does not publish %s, but %s",
		e.Service, e.Loom, e.Port, strings.Join(list, ", "))
}

// NextStep says what the user does next.
func (e *AddressError) NextStep() string {
	return "docker loom ps " + e.Loom + " shows the published ports"
}

// Address finds the host port of a service's container port, 80 or 80/udp.
func (l *Ports) Address(ctx context.Context, t *loom.Target, service, port string) (loom.Port, error) {
	list, err := l.Published(ctx, t)
	if err != nil {
		return loom.Port{}, err
	}
	target, protocol, ok := strings.Cut(port, "/")
	if !ok {
		protocol = "tcp"
	}
	e := &AddressError{Loom: t.ID, Service: service, Port: target + "/" + protocol}
	for _, p := range list {
		if p.Service != service {
			continue
		}
		if strconv.Itoa(p.Target) == target && p.Protocol == protocol {
			return p, nil
		}
		e.Published = append(e.Published, p)
	}
	if len(e.Published) == 0 {
		own, err := l.Looms.Engine.Containers(ctx, engine.Filter{Project: t.Known.Project})
		if err != nil {
			return loom.Port{}, err
		}
		if !slices.Contains(loom.ServiceNames(own), service) {
			return loom.Port{}, &plan.NoServiceError{Service: service, Loom: t.ID}
		}
	}
	return loom.Port{}, e
}
