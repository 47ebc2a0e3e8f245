package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/compose/v2/pkg/compose"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

// LabelContents has the hash of the configs and secrets whose content Compose copies into a container when it makes it.
// Compose does not hash that content: it would keep a container that has an earlier one. The label is not hashed
// either, so that docker compose and docker loom go on accepting each other's containers.
const LabelContents = "ai.iloom.contents-hash"

// markContents puts [LabelContents] on the services of a project that get such content.
func markContents(p *types.Project) {
	for name, s := range p.Services {
		if hash := contentsHash(p, s); hash != "" {
			s.CustomLabels = s.CustomLabels.Add(LabelContents, hash)
			p.Services[name] = s
		}
	}
}

// contentsHash is the hash of the content of a service's configs and secrets, "" if it has none with content. What is
// in a file is mounted: an edit shows in the container by itself.
func contentsHash(p *types.Project, s types.ServiceConfig) string {
	contents := map[string]string{}
	add := func(kind, source string, object types.FileObjectConfig) {
		switch {
		case object.Content != "":
			contents[kind+" "+source] = object.Content
		case object.Environment != "":
			contents[kind+" "+source] = p.Environment[object.Environment]
		}
	}
	for _, c := range s.Configs {
		add("config", c.Source, types.FileObjectConfig(p.Configs[c.Source]))
	}
	for _, c := range s.Secrets {
		add("secret", c.Source, types.FileObjectConfig(p.Secrets[c.Source]))
	}
	if len(contents) == 0 {
		return ""
	}
	text, err := json.Marshal(contents)
	if err != nil {
		return "" // a map of strings can always be encoded
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:32]
}

// hasOldContents reports whether a container was made with other content than its service has now. Of a container
// without the label that is not known.
func hasOldContents(s types.ServiceConfig, labels map[string]string) bool {
	made, want := labels[LabelContents], s.CustomLabels[LabelContents]
	return made != "" && want != "" && made != want
}

// converger is the Compose that converges a project. If services get content, it sees the configuration of a container
// with other content as changed.
func (s *Stack) converger(p *types.Project) api.Compose {
	for _, service := range p.Services {
		if service.CustomLabels[LabelContents] != "" {
			return compose.NewComposeService(contentsCli{s.making, p}, compose.WithPrompt(no))
		}
	}
	return s.compose
}

// contentsCli is the docker command line with a client that lists containers with old content as ones of another
// configuration.
type contentsCli struct {
	command.Cli
	project *types.Project
}

// Client lists containers with old content as ones of another configuration.
func (c contentsCli) Client() client.APIClient { return contentsClient{c.Cli.Client(), c.project} }

type contentsClient struct {
	client.APIClient
	project *types.Project
}

// ContainerList lists containers; those with old content have no hash of their configuration.
func (c contentsClient) ContainerList(ctx context.Context, o container.ListOptions) ([]container.Summary, error) {
	list, err := c.APIClient.ContainerList(ctx, o)
	for _, s := range list {
		service, ok := c.project.Services[s.Labels[api.ServiceLabel]]
		if ok && s.Labels[api.ProjectLabel] == c.project.Name && hasOldContents(service, s.Labels) {
			delete(s.Labels, api.ConfigHashLabel)
		}
	}
	return list, err
}
