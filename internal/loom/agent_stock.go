package loom

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/acl"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/internal/sandbox/staging"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// vaults is the folder of the user's vaults.
func (l *Looms) vaults() string { return filepath.Join(filepath.Dir(l.UserSettings), "vaults") }

// stock writes what the sandbox brings from the host, gives the agent rights to the work tree where it has a user of its
// own, and returns the files and folders of the host that were copied.
func (l *Looms) stock(ctx context.Context, t *Target, w *wish, spec *sandbox.Spec, who agentUser) ([]string, error) {
	var err error
	if spec.Git != nil {
		err = gitview.Prepare(spec.WorkTree, spec.Git)
	} else {
		err = gitview.PrepareSettingsFolder(spec.WorkTree)
	}
	if err != nil {
		return nil, err
	}
	if err := l.grant(spec, who); err != nil {
		return nil, err
	}
	if err := l.stage(ctx, t, w, spec, who, spec.State); err != nil {
		return nil, err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	var sources []string
	if spec.Vault != "" {
		sources = append(sources, filepath.Join(l.vaults(), spec.Vault))
	}
	for _, preset := range spec.Credentials {
		for _, path := range credentialFiles[preset] {
			sources = append(sources, filepath.Join(home, path))
		}
	}
	return sources, nil
}

// pretend is stock for a look: what it writes goes into a folder that is removed again.
func (l *Looms) pretend(ctx context.Context, t *Target, w *wish, spec *sandbox.Spec) error {
	dir, err := os.MkdirTemp("", "docker-loom-access-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if spec.ImageID == "" {
		// It is not built yet, and has nothing to say on files.
		spec.ImageID = spec.EgressImage
	}
	if err := l.stage(ctx, t, w, spec, agentUser{spec.UID, spec.GID, os.Getuid(), os.Getgid()}, dir); err != nil {
		return err
	}
	for i, f := range spec.Files {
		if rel, err := filepath.Rel(dir, f.Source); err == nil {
			spec.Files[i].Source = filepath.Join(spec.State, rel)
		}
	}
	return nil
}

// stage checks the mounts and writes the copies.
func (l *Looms) stage(ctx context.Context, t *Target, w *wish, spec *sandbox.Spec, who agentUser, dir string) error {
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	mounts := make([]sandbox.Mount, 0, len(w.mounts))
	for _, m := range w.mounts {
		mounts = append(mounts, sandbox.Mount{Source: m.Source, Target: cmp.Or(m.Target, expanded(m.Source, home)), ReadOnly: m.ReadOnly})
	}
	closed := []string{config.Dir(), filepath.Dir(l.UserSettings)}
	if socket := l.Engine.SocketPath(); socket != "" {
		closed = append(closed, socket)
	}
	mounted, found, err := sandbox.CheckMounts(mounts, sandbox.Host{Home: home, WorkTree: spec.WorkTree, Closed: closed})
	if err != nil {
		return fmt.Errorf("container.agent.mounts: %w", err)
	}
	spec.Mounts = mounted
	image := map[string][]byte{}
	if spec.ImageID != spec.EgressImage {
		if image, err = l.imageFiles(ctx, spec.ImageID); err != nil {
			return err
		}
	}
	name, email := worktree.User(ctx, t.Repository)
	// Only root can give files away; others let the agent read theirs.
	lent := who
	if me := os.Getuid(); me > 0 && me != who.hostUID {
		lent.hostUID, lent.hostGID = me, os.Getgid()
	}
	stock, err := staging.Write(staging.Request{
		State: dir, Home: home, Vaults: l.vaults(), Vault: spec.Vault, Credentials: spec.Credentials,
		UID: lent.hostUID, GID: lent.hostGID, InnerUID: spec.UID, InnerGID: spec.GID, Passwd: image[passwdFile], Group: image[groupFile], GitConfig: image[gitconfigFile],
		UserName: name, UserEmail: email, GitHosts: gitHosts(spec.Egress, spec.Allow),
	})
	if err != nil {
		return err
	}
	spec.Files, spec.Env = stock.Files, stock.Env
	if lent != who {
		var rights []acl.Right
		for _, f := range stock.Files {
			rights = append(rights, acl.Right{Path: f.Source, Write: f.Writable})
		}
		if _, err := acl.Grant(rights, who.hostUID); err != nil {
			return err
		}
	}
	for _, f := range append(found, stock.Findings...) {
		l.tellFinding(f)
	}
	return nil
}

// credentialFiles are the files of the home folder that a preset copies: where they change, so do the copies.
var credentialFiles = map[string][]string{
	"claude": {".claude/.credentials.json", ".claude.json"},
	"git":    {".git-credentials", ".config/git/credentials"},
	"gh":     {".config/gh/hosts.yml"},
	"npm":    {".npmrc"},
}

func expanded(path, home string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return path
}

// grant gives a user that is not the owner of the work tree the rights to it that a sandbox needs.
func (l *Looms) grant(spec *sandbox.Spec, who agentUser) error {
	info, err := os.Stat(spec.WorkTree)
	if err != nil || !acl.NeedsGrant(info, who.hostUID) {
		return err
	}
	n, err := acl.Grant(spec.Rights(), who.hostUID)
	l.Teller.Debugf("rights for user %d: %d files and folders changed", who.hostUID, n)
	return err
}

// Files of an image that a sandbox has its own of.
const (
	passwdFile    = "/etc/passwd"
	groupFile     = "/etc/group"
	gitconfigFile = "/etc/gitconfig"
)

// imageFiles reads them, once for an image.
func (l *Looms) imageFiles(ctx context.Context, id string) (map[string][]byte, error) {
	path := filepath.Join(l.Cache, "image-files", strings.ReplaceAll(id, ":", "-")+".json")
	files := map[string][]byte{}
	if l.Cache != "" {
		if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &files) == nil {
			return files, nil
		}
	}
	files, err := l.Engine.ImageFiles(ctx, id, []string{passwdFile, groupFile, gitconfigFile})
	if err != nil || l.Cache == "" {
		return files, err
	}
	text, err := json.Marshal(files)
	if err == nil {
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = atomicwriter.WriteFile(path, text, 0o644)
		}
	}
	if err != nil {
		l.Teller.Debugf("files of image %s: %v", id, err)
	}
	return files, nil
}

// gitHosts are the known git hosts that the agent reaches: git@ addresses of these go over https.
func gitHosts(mode egress.Mode, allow []string) []string {
	var hosts []string
	for _, name := range []string{"github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "git.sr.ht"} {
		ok := mode == egress.Open
		for _, text := range allow {
			rule, err := egress.ParseRule(text)
			ok = ok || mode == egress.Restricted && err == nil && rule.Matches(egress.Host{Name: name}, 443)
		}
		if ok {
			hosts = append(hosts, name)
		}
	}
	return hosts
}

// tellFinding says on stderr what is more than information.
func (l *Looms) tellFinding(f finding.Finding) {
	if f.Level != finding.Info {
		l.Teller.Sayf("%s", f.String())
	}
}

// serviceAccess says what the agent reaches by way of each of the loom's services.
func (p *Plan) serviceAccess() []sandbox.ServiceAccess {
	list := []sandbox.ServiceAccess{}
	for _, name := range slices.Sorted(maps.Keys(p.Project.Services)) {
		if name != egressService {
			list = append(list, sandbox.ServiceAccess{Name: name, Open: p.leaves(name), Ways: p.ways(name)})
		}
	}
	return list
}
